"""Seeds of all random numbers in a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_ENVS = 4096  # in a vector
# Environments may keep a seed in an int32, and environment i of a vector gets the vector's seed + i.
END = 2**31 - MOST_ENVS


def independent_seeds(entropy: int | Sequence[int], count: int, spawn_key: tuple[int, ...] = ()) -> list[int]:
    """Seeds in [0, END) of unrelated streams, from numpy's SeedSequence."""
    numbers = np.random.SeedSequence(entropy, spawn_key=spawn_key).generate_state(count)  # uint32
    return [int(number) % END for number in numbers]


def seeds(seed: int, rank: int = 0) -> dict[str, int]:
    """Seeds in [0, END) by purpose. Those of runs 0 and 1, of training and evaluation, and of two ranks are unrelated:
    two vectors of N environments get a seed in common with probability 2 N / END, 1e-8 for N = 10."""
    names = ("envs", "agent", "replay", "exploration", "evaluation", "final_evaluation", "resume", "encoder", "shift",
             "diagnosis", "goals")  # fmt: skip
    return dict(zip(names, independent_seeds(seed, len(names), (rank,) if rank else ()), strict=True))
