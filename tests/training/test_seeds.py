"""What is handed to environments fits an int32, and streams stay apart."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest

import eval as evaluation
from tests.envs.unruly import Unruly
from tests.training.runs import at_step, run, stop, tiny
from training.seeds import MOST_ENVS, independent_seeds, seeds

RUN_SEEDS = [*range(300), 2**31 - 1, 2**31, 2**32 - 1]


class NarrowSeed(Unruly):
    """Keeps its seed in an int32: numpy raises OverflowError where it does not fit."""

    kept: ClassVar[list[np.int32]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self.kept.append(np.int32(seed))
        return super().reset(seed=seed, options=options)


gym.register("NarrowSeed-v0", f"{__name__}:NarrowSeed", max_episode_steps=7)


def test_every_seed_of_every_environment_fits_an_int32() -> None:
    first = [value for seed in RUN_SEEDS for rank in range(4) for value in seeds(seed, rank).values()]
    first += [independent_seeds([seed, step], 1)[0] for seed in RUN_SEEDS for step in range(0, 10_000, 1000)]
    assert all(np.int32(value) >= 0 and np.int32(value + MOST_ENVS - 1) > 0 for value in first)
    assert max(first) > 0.999 * 2**31, "the whole range is used"


def test_a_run_hands_out_no_other_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training, evaluation, a resumed run's reset, the last evaluation and eval.py, with a seed whose streams all began
    above 2^31 once. A resumed run does not play again what was played: its 8 environments get seeds of their own."""
    flags = ("--env-id", "NarrowSeed-v0", "--seed", "10", "--total-steps", "320")
    own = seeds(10)
    with monkeypatch.context() as patch:
        at_step(patch, 240, stop)
        assert tiny("run", *flags) == 143
    handed = set(NarrowSeed.kept)
    assert {own["envs"] + 7, own["evaluation"] + 1} <= handed
    assert run("--resume", "run") == 0
    fresh = sorted(set(NarrowSeed.kept) - handed - {own["final_evaluation"] + i for i in range(2)})
    assert len(fresh) == 8 and fresh[7] - fresh[0] == 7
    assert evaluation.main(["run", "--episodes", "2"]) == 0
    assert NarrowSeed.kept.count(np.int32(own["final_evaluation"] + 1)) == 2


def test_eval_refuses_a_seed_that_does_not_fit(capsys: pytest.CaptureFixture) -> None:
    highest = 2**31 - MOST_ENVS - 1
    assert evaluation.main(["run", "--seed", str(highest + 1)]) == 2
    assert f"--seed is {highest + 1}: it must lie between 0 and {highest}." in capsys.readouterr().err
    assert not Path("run").exists()


def test_no_two_streams_share_an_environment_seed() -> None:
    """Environment i of a stream is seeded with the stream's seed + i: those of a hundred runs stay apart."""
    starts = sorted(seed for run in range(100) for seed in seeds(run).values())
    assert len(starts) == 1100
    assert min(following - start for start, following in itertools.pairwise(starts)) > 64
