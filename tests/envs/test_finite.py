"""A number that float32 cannot hold is refused where an environment returns it, by its name."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import envs

LARGEST = 3.4028234663852886e38  # (2 - 2**-23) * 2**127


CASES = (  # when, which key becomes what, steps, and what is said
    ("reset", "desired_goal", math.nan, 0, "desired_goal[1, 0] = nan at a reset"),
    ("step", "observation", -math.inf, 1, "observation[1, 0] = -inf at a step"),
    ("step", "achieved_goal", 1.0001 * LARGEST, 2, "achieved_goal[1, 0] = 3.40"),
    ("step", "reward", math.nan, 1, "reward[1] = nan at a step"),
    ("step", "observation", math.nan, 7, "final observation[1, 0] = nan at a step"),  # the last of an episode
)


def test_what_was_returned_is_named(workers: int) -> None:
    """In one of three environments, which go on afterwards; what float32 just holds passes."""
    vec, still = envs.make_vec("Unruly-v0", 3, workers=workers), np.zeros((3, 2), np.float32)
    try:
        for when, key, value, steps, said in CASES:
            vec.set_attr("sick", None)
            vec.reset(seed=0)
            for _ in range(steps - 1):
                vec.step(still)
            vec.set_attr("sick", [None, (when, key, value), None])
            with pytest.raises(envs.NotFinite) as found:
                vec.step(still) if steps else vec.reset()
            assert str(found.value).startswith(f"Unruly-v0 returned {said}")
            vec.set_attr("sick", [None, (when, key, LARGEST), None])
            vec.reset()
            for _ in range(8):
                vec.step(still)
    finally:
        vec.close()


def test_a_reward_for_a_minibatch_is_too() -> None:
    achieved, desired = torch.zeros(2, 4, 1, dtype=torch.float64)
    achieved[2] = math.nan
    with pytest.raises(envs.NotFinite, match=r"^Unruly-v0 returned compute_reward\[2\] = nan for a minibatch"):
        envs.reward_fn("Unruly-v0")(achieved, desired)
