"""The fast Fetch environments against stock gymnasium-robotics, bit for bit."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium_robotics.utils import rotations

import envs
from envs.fetch import FetchEnv, _euler
from tests.envs import odd
from tests.envs.unruly import same

TASKS = ["FetchReach", "FetchPush", "FetchSlide", "FetchPickAndPlace"]
PHYSICS = ("time", "qpos", "qvel", "qacc_warmstart", "ctrl", "mocap_pos", "mocap_quat", "xpos", "xquat")


def act(observation: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Mostly towards the object, so that it is touched and turned; partly beyond the bounds; (4,) float32."""
    action = rng.uniform(-1.4, 1.4, 4)
    if rng.random() < 0.7:
        action[:3] = 10 * (observation["achieved_goal"] - observation["observation"][:3])
    return action.astype(np.float32)


@pytest.mark.parametrize("suffix", ["", "Dense"])
@pytest.mark.parametrize("task", TASKS)
def test_equals_stock(task: str, suffix: str) -> None:
    """Observations, rewards, flags, infos and physics, over seeds and episode ends."""
    stock, fast = gym.make(f"{task}{suffix}-v4"), envs.make_env(f"{task}{suffix}-v4")
    assert isinstance(fast, FetchEnv)
    data: Any = stock.unwrapped
    rng = np.random.default_rng(3)
    moved = 0.0
    for seed in (0, 11):
        ours: Any = fast.reset(seed=seed)
        theirs: Any = stock.reset(seed=seed)
        assert same(ours, theirs)
        start = ours[0]["achieved_goal"]
        for step in range(110):
            action = act(ours[0], rng)
            ours, theirs = fast.step(action), stock.step(action)
            assert same(ours, theirs), (seed, step)
            assert all(same(getattr(fast._data, name), getattr(data.data, name)) for name in PHYSICS), (seed, step)
            moved = max(moved, float(np.abs(ours[0]["achieved_goal"] - start).max()))
            if ours[3]:
                assert step in (49, 99)
                ours, theirs = fast.reset(), stock.reset()
                assert same(ours, theirs)
                start = ours[0]["achieved_goal"]
    assert moved > 0.01, "the object was never touched: this test shows little"


def test_success_and_reward_at_the_goal() -> None:
    """The -0.0 of a reached goal, and the negative distance of the dense task."""
    for suffix, reached in (("", np.float32(-0.0)), ("Dense", None)):
        stock, fast = gym.make(f"FetchReach{suffix}-v4"), envs.make_env(f"FetchReach{suffix}-v4")
        theirs: Any = stock.reset(seed=5)
        ours: Any = fast.reset(seed=5)
        for _ in range(40):
            action = np.append(10 * (ours[0]["desired_goal"] - ours[0]["achieved_goal"]), 0).astype(np.float32)
            theirs, ours = stock.step(action), fast.step(action)
            assert same(ours, theirs)
        assert ours[4]["is_success"] == 1
        assert reached is None or same(ours[1], reached)


def test_float64_actions_keep_their_precision() -> None:
    stock, fast = gym.make("FetchPush-v4"), envs.make_env("FetchPush-v4")
    stock.reset(seed=1), fast.reset(seed=1)
    for action in np.random.default_rng(0).uniform(-1, 1, (10, 4)):
        assert same(fast.step(action), stock.step(action))
    with pytest.raises(ValueError, match="Action dimension"):
        fast.step(np.zeros(3))


def test_euler_angles_equal_stock() -> None:
    """Random rotations, and those where the middle angle is 90 degrees."""
    rng = np.random.default_rng(0)
    quaternions = [*rng.standard_normal((3000, 4)), [1, 0, 1, 0], [1, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    mat, out = np.empty(9), np.empty(3)
    flat = np.array([0.0, 0, 1, 0, 1, 0, -1, 0, 0])  # exactly in gimbal lock
    for quaternion in quaternions:
        mujoco.mju_quat2Mat(mat, np.asarray(quaternion, dtype=float) / np.linalg.norm(quaternion))
        for case in (mat, flat):
            _euler(case, out)
            assert same(out, rotations.mat2euler(case.reshape(3, 3)))


def test_step_before_reset_is_refused() -> None:
    with pytest.raises(gym.error.ResetNeeded):
        envs.make_env("FetchReach-v4").step(np.zeros(4, np.float32))


def test_wrapped_or_changed_tasks_stay_stock() -> None:
    """Only what is exactly stock is accelerated; everything else runs as it is."""
    spec = gym.spec("FetchReach-v4")
    changed = gym.make(spec).spec
    assert changed is not None
    assert isinstance(envs.make_env(changed), FetchEnv)
    wrapped = gym.wrappers.RescaleAction(gym.make(spec), np.float32(-2), np.float32(2)).spec
    assert wrapped is not None
    assert not isinstance(envs.make_env(wrapped), FetchEnv)
    assert envs.make_env("FetchReach-v4", max_episode_steps=3).spec.max_episode_steps == 3  # type: ignore[union-attr]


@pytest.mark.parametrize("env_id", ["PlusOne-v0", "Replaced-v0", "Subclass-v0", "Nested-v0"])
def test_what_is_made_equals_gymnasium(env_id: str) -> None:
    """With another reward under another id, or a shorter limit of steps within a longer one (which stays fast)."""
    stock, ours = gym.make(env_id), envs.make_env(env_id)
    assert isinstance(ours, FetchEnv) == (env_id == "Nested-v0")
    assert same(ours.reset(seed=3), stock.reset(seed=3))
    for action in np.random.default_rng(0).uniform(-1, 1, (4, 4)):
        assert same(ours.step(action), stock.step(action))


def test_a_method_replaced_on_the_class_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(gym.make("FetchReach-v4").unwrapped), "compute_reward", staticmethod(odd.seven))
    assert not isinstance(envs.make_env("FetchReach-v4"), FetchEnv)
    assert envs.reward_range("FetchReach-v4") == (-np.inf, np.inf)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("stop", [23, 49])
def test_state_goes_on_exactly(task: str, stop: int) -> None:
    """2N steps equal N, save, load into a fresh environment, N: in an episode and one step before its end."""
    rng = np.random.default_rng(stop)
    whole = envs.make_env(f"{task}-v4")
    observation, _ = whole.reset(seed=4)
    for _ in range(stop):
        observation, *_ = whole.step(act(observation, rng))
    state = pickle.dumps(whole.get_state())  # type: ignore[attr-defined]
    fresh = envs.make_env(f"{task}-v4")
    fresh.reset(seed=99)
    for _ in range(3):
        fresh.step(np.ones(4, np.float32))
    fresh.set_state(pickle.loads(state))  # type: ignore[attr-defined]
    for _ in range(60):
        action = act(observation, rng)
        one: Any = whole.step(action)
        two: Any = fresh.step(action)
        assert same(one, two)
        observation = one[0]
        if one[3]:
            one, two = whole.reset(), fresh.reset()
            assert same(one, two)
            observation = one[0]


def test_state_of_another_task_is_refused() -> None:
    reach, push = envs.make_env("FetchReach-v4"), envs.make_env("FetchPush-v4")
    reach.reset(seed=0)
    with pytest.raises(ValueError, match="another task"):
        push.set_state(reach.get_state())  # type: ignore[attr-defined]
