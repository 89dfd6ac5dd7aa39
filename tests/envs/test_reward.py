"""Rewards for hindsight against the environments' own compute_reward."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import envs
from envs.reward import largest_square
from tests.envs import odd  # noqa: F401 (registers)
from tests.envs.unruly import same

TASKS = ["FetchReach", "FetchPush", "FetchSlide", "FetchPickAndPlace"]
coordinates = arrays(np.float64, (4, 3), elements=st.floats(-2, 2, allow_subnormal=False))
directions = arrays(np.float64, (3,), elements=st.floats(-1, 1)).filter(lambda v: np.linalg.norm(v) > 0.1)

push: Any = gym.make("FetchPush-v4").unwrapped
push_reward = envs.reward_fn("FetchPush-v4")
dense: Any = gym.make("FetchPushDense-v4").unwrapped
dense_reward = envs.reward_fn("FetchPushDense-v4")


def of(function: Any, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    return function(torch.from_numpy(achieved), torch.from_numpy(desired)).numpy()


@given(coordinates, coordinates)
def test_fetch_sparse_anywhere(achieved: np.ndarray, desired: np.ndarray) -> None:
    assert same(of(push_reward, achieved, desired), push.compute_reward(achieved, desired, {}))


@settings(max_examples=200)
@given(directions, arrays(np.float64, (3,), elements=st.floats(-2, 2)))
def test_fetch_sparse_at_the_threshold(direction: np.ndarray, desired: np.ndarray) -> None:
    """Points one and a few units in the last place to either side of 5 cm."""
    offset = direction / np.linalg.norm(direction) * push.distance_threshold
    achieved = np.tile(desired + offset, (41, 1))
    for i in range(1, 21):  # nudge one coordinate of each row, outwards and inwards
        axis = i % 3
        achieved[2 * i - 1, axis] += i * np.spacing(achieved[0, axis])
        achieved[2 * i, axis] -= i * np.spacing(achieved[0, axis])
    goals = np.tile(desired, (41, 1))
    ours = of(push_reward, achieved, goals)
    assert same(ours, push.compute_reward(achieved, goals, {}))
    single = [push.compute_reward(a, g, {}) for a, g in zip(achieved, goals, strict=True)]
    assert same(ours, np.array(single))


def test_threshold_points_fall_on_both_sides() -> None:
    """Exactly at 5 cm along an axis, with the goal at the origin, one ulp matters."""
    goal = np.zeros((3, 3))
    achieved = np.zeros((3, 3))
    achieved[:, 0] = [np.nextafter(0.05, 0), 0.05, np.nextafter(0.05, 1)]
    rewards = of(push_reward, achieved, goal)
    assert same(rewards, np.array([-0.0, -0.0, -1.0], np.float32))
    assert same(rewards, push.compute_reward(achieved, goal, {}))


@given(st.floats(1e-6, 1e6))
def test_largest_square(threshold: float) -> None:
    square = largest_square(threshold)
    assert math.sqrt(square) <= threshold < math.sqrt(math.nextafter(square, math.inf))


@given(arrays(np.float64, (3,), elements=st.floats(-1, 1)))
def test_numpy_sums_squares_in_this_order(vector: np.ndarray) -> None:
    """(x*x + y*y) + z*z, for one vector and for a batch: what the comparison of squares rests on."""
    x, y, z = vector.tolist()
    expected = math.sqrt((x * x + y * y) + z * z)
    assert np.linalg.norm(vector, axis=-1) == expected
    assert (np.linalg.norm(np.tile(vector, (9, 1)), axis=-1) == expected).all()


@given(coordinates, coordinates)
def test_fetch_dense(achieved: np.ndarray, desired: np.ndarray) -> None:
    expected = dense.compute_reward(achieved, desired, {}).astype(np.float32)
    ours = of(dense_reward, achieved, desired)
    assert ours.dtype == np.float32
    assert (np.abs(ours - expected) <= np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("task", TASKS)
def test_every_fetch_task_has_its_reward(task: str) -> None:
    rng = np.random.default_rng(0)
    desired = rng.uniform(-1, 1, (500, 3))
    achieved = desired + rng.normal(0, 0.03, (500, 3))
    for suffix in ("", "Dense"):
        expected = gym.make(f"{task}{suffix}-v4").unwrapped.compute_reward(achieved, desired, {})  # type: ignore
        ours = of(envs.reward_fn(f"{task}{suffix}-v4"), achieved, desired)
        assert same(ours, expected) if suffix == "" else np.allclose(ours, expected, rtol=1e-6)


@pytest.mark.parametrize("env_id, size", [("PointMaze_UMaze-v3", 2), ("HandReach-v3", 15), ("Unruly-v0", 1)])
def test_other_environments_compute_their_own(env_id: str, size: int) -> None:
    rng = np.random.default_rng(0)
    desired = rng.uniform(-1, 1, (200, size))
    achieved = desired + rng.normal(0, 0.3 if size < 3 else 0.002, desired.shape)
    expected = np.asarray(gym.make(env_id).unwrapped.compute_reward(achieved, desired, {}))  # type: ignore
    assert same(of(envs.reward_fn(env_id), achieved, desired), expected.astype(np.float32))
    assert len(set(expected.tolist())) > 1


def test_goals_are_lent_to_compute_reward_as_copies() -> None:
    achieved, desired = torch.ones(3, 2).double(), torch.tensor([[1.1, 1.2], [4.0, 1.0], [1.0, 1.5]]).double()
    before = achieved.clone(), desired.clone()
    assert envs.reward_fn("InPlace-v0")(achieved, desired).tolist() == [0, -1, 0]
    assert achieved.equal(before[0]) and desired.equal(before[1])


@pytest.mark.parametrize("env_id", ["PlusOne-v0", "Replaced-v0", "Subclass-v0", "Nested-v0", "NeedsReset-v0"])
def test_rewards_are_those_of_what_is_stepped(env_id: str) -> None:
    """The outermost `compute_reward` counts, stock Fetch inside or not; its range holds every step's reward."""
    env, rng = gym.make(env_id), np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    low, high = envs.reward_range(env_id)
    for _ in range(3):
        observation, reward, *_ = env.step(env.action_space.sample())
        assert low <= float(reward) <= high
        achieved, desired = (np.tile(observation[key], (9, 1)) for key in ("achieved_goal", "desired_goal"))
        assert (of(envs.reward_fn(env_id), achieved, desired) == np.float32(reward)).all()
    desired = achieved + rng.normal(0, 0.03, achieved.shape)
    expected = env.get_wrapper_attr("compute_reward")(achieved, desired, {})
    assert (of(envs.reward_fn(env_id), achieved, desired) == np.float32(expected)).all()


def test_reward_range() -> None:
    """Infinite as soon as a wrapper that is not gymnasium's own bookkeeping, or another method, may change it."""
    inf = math.inf
    expected = {
        "PlusOne-v0": (-inf, inf),
        "TenTimes-v0": (-inf, inf),
        "Replaced-v0": (-inf, inf),
        "Subclass-v0": (-inf, inf),
        "Tidy-v0": (-inf, inf),
        "Nested-v0": (-1, 0),
        "FetchPush-v4": (-1, 0),
        "FetchReachDense-v4": (-inf, 0),
        "HandReach-v3": (-1, 0),
        "PointMaze_UMaze-v3": (0, 1),
        "AntMaze_UMaze-v5": (0, 1),
        "Unruly-v0": (-inf, inf),
    }
    assert {env_id: envs.reward_range(env_id) for env_id in expected} == expected
