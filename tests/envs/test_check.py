"""check_goal_env: what can be trained on passes, anything else is refused in one sentence with the mend."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs
from envs.registry import find_spec
from tests.envs.unruly import Unruly


class Discrete(Unruly):
    """No continuous actions."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = gym.spaces.Discrete(3)


class Unbounded(Unruly):
    """Actions without bounds."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.action_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)


class Scalar(Unruly):
    """A reward that is not vectorised."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: object) -> float:
        return -float(np.abs(achieved - desired).sum())


class Broken(Unruly):
    """Cannot be built."""

    def __init__(self, render_mode: str | None = None) -> None:
        raise OSError("no scene.xml\nsecond line")


class Silent(Unruly):
    """Does not say whether it succeeded."""

    def step(self, action: np.ndarray) -> Any:
        *rest, info = super().step(action)
        return *rest, {"at": info["at"]}


class Jammed(Unruly):
    """Cannot be stepped."""

    def step(self, action: np.ndarray) -> Any:
        raise ArithmeticError("a deliberate failure")


@pytest.fixture(autouse=True)
def registered() -> None:
    for kind in (Discrete, Unbounded, Scalar, Broken, Silent, Jammed):
        if f"{kind.__name__}-v0" not in gym.registry:
            gym.register(f"{kind.__name__}-v0", f"{__name__}:{kind.__name__}", max_episode_steps=5)


def test_a_module_can_be_named() -> None:
    """As in gymnasium.make: it is imported first."""
    assert find_spec("tests.envs.unruly:Unruly-v0").id == "Unruly-v0"
    envs.make_vec("tests.envs.unruly:Unruly-v0", 1, workers=1).close()


@pytest.mark.parametrize(
    "env_id", ["FetchPickAndPlaceDense-v4", "PointMaze_UMaze-v3", "HandReach-v3", "AntMaze_UMaze-v5", "Unruly-v0"]
)
def test_good_environments_pass(env_id: str) -> None:
    envs.check_goal_env(env_id)


@pytest.mark.parametrize(
    "env_id, words",
    [
        ("FetchPsh-v4", "no environment 'FetchPsh-v4': did you mean FetchPush-v4"),
        ("FetchPush-v9", "use FetchPush-v4"),
        ("FetchPush", "use FetchPush-v4"),
        ("FetchPush-v1", "mujoco-py, which is retired: use FetchPush-v4"),
        ("", "no environment ''"),
        ("Zzzyx-v0", "pprint_registry"),
        ("no.such.module:Reach-v0", "cannot be imported"),
        ("CartPole-v1", "not a goal environment"),
        ("FrankaKitchen-v1", "not a vector"),
        ("Discrete-v0", "no continuous actions"),
        ("Unbounded-v0", "unbounded actions"),
        ("Scalar-v0", "no vectorised compute_reward"),
        ("Broken-v0", r"cannot be built \(no scene.xml\)"),
        ("Silent-v0", "put is_success or success into its step's info"),
        ("Jammed-v0", r"cannot be stepped \(a deliberate failure\)"),
        ("Endless-v0", "no limit of steps: register it with max_episode_steps"),
    ],
)
def test_bad_environments_are_refused(env_id: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        envs.check_goal_env(env_id)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and ": " in message
