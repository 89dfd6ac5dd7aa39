"""check_goal_env: what can be trained on passes, anything else is refused in one sentence with the mend."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env

import envs
from envs.infos import success_of
from tests.envs import (
    failing,  # noqa: F401 (registers environments)
    odd,
)
from tests.envs.unruly import Unruly

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
GOOD = ("FetchPickAndPlaceDense-v4", "AntMaze_UMaze-v5", "HandManipulateBlock-v1", "Tidy-v0", "NeedsReset-v0",
        "PlusOne-v0", "Replaced-v0", "Subclass-v0", "Nested-v0")  # fmt: skip


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


@pytest.mark.parametrize("env_id", sorted({*re.findall(r"\w+-v\d+", (EXPERIMENTS / "table.py").read_text()), *GOOD}))
def test_good_environments_pass(env_id: str) -> None:
    """Among them all that the experiments train on."""
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
        ("Huge-v0", "unbounded actions: give"),
        ("Fixed-v0", "an action whose low is not below its high"),
        ("OldReset-v0", r"old-style reset: let it return \(observation, info\)"),
        ("OldStep-v0", r"old-style step: let it return \(observation, reward, terminated"),
        ("Seedless-v0", r"cannot be reset with seed=0 \(.*unexpected keyword argument 'seed'\)"),
        ("SmallSeeds-v0", r"cannot be reset with seed=2147483647 \(the seed is too large\)"),
        ("OneNumber-v0", r"'achieved_goal' of shape \(1,\) from step, where its space says \(2,\)"),
        ("OneNumberAtReset-v0", r"'observation' of shape \(\) from reset, where its space says \(2,\)"),
        ("NoGoal-v0", "has no 'desired_goal' in what step returns"),
        ("Fractions-v0", "'observation' of float64 from reset, where its space says int64"),
        ("NotANumber-v0", "'observation' with NaN or infinity from reset"),
        ("ListedReward-v0", r"the reward array\(\[-1.\]\): let it be one finite number"),
        ("NoBool-v0", "returns None as terminated from step: let it be True or False"),
        ("SaidSuccess-v0", "'no' as is_success in its step's info: let it be one bool"),
        ("NanSuccess-v0", "nan as is_success in its step's info: let it be one bool"),
        ("ListedSuccess-v0", r"array\(\[False\]\) as is_success in its step's info"),
        ("WholeBatch-v0", "the same goals 0 alone and -1 in a batch of 2: let each row's reward depend on that row"),
        ("Coordinates-v0", "no vectorised compute_reward"),
        ("Pairs-v0", r"no vectorised compute_reward.*\(a batch of 3 gives shape \(2,\)\)"),
        ("Logarithm-v0", "a compute_reward that gives inf: let it give finite rewards"),
        ("TenTimes-v0", "gives a step the reward -10, of which its compute_reward says -1"),
        ("Bonus-v0", "gives a step the reward 5, of which its compute_reward says 0,"),
        ("Silent-v0", "put is_success or success into its step's info"),
        ("Jammed-v0", r"cannot be stepped \(a deliberate failure\)"),
        ("Closing-v0", r"cannot be closed \(the window is gone\): mend its close\(\)"),
        ("ClosingUnused-v0", r"cannot be closed \(.*has no attribute 'at'"),
        ("Endless-v0", "no limit of steps: say --max-episode-steps, or register"),
    ],
)
def test_bad_environments_are_refused(env_id: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        envs.check_goal_env(env_id)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and ": " in message


def test_a_module_that_fails_when_it_is_imported_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unfinished.py").write_text("here = undefined_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"fails when it is imported \(NameError: name 'undefined_name'"):
        envs.check_goal_env("unfinished:Reach-v0")


@pytest.mark.parametrize("env_id", ["Endless-v0", "FetchReach-v4", "PointMaze_UMaze-v3"])
def test_a_limit_of_steps_that_is_given_ends_episodes(env_id: str) -> None:
    """Where the environment has none of its own, and in the place of its own."""
    envs.check_goal_env(env_id, max_episode_steps=4)
    vec = envs.make_vec(env_id, 1, workers=0, seed=0, max_episode_steps=4)
    vec.reset()
    actions = np.zeros_like(vec.action_space.sample())
    assert [bool(vec.step(actions)[3][0]) for _ in range(8)] == [False, False, False, True] * 2
    vec.close()


def test_what_sb3_refuses() -> None:
    """Stable-Baselines3's own checker passes the environment that these are made of, and none of these."""
    check_env(odd.Tidy(), warn=False)
    for kind in (odd.OldReset, odd.OldStep, odd.Seedless, odd.OneNumber, odd.NoGoal, odd.Fractions,
                 odd.ListedReward, odd.NoBool, odd.Coordinates):  # fmt: skip
        with pytest.raises((AssertionError, TypeError, ValueError, LookupError)):
            check_env(kind(), warn=False)
        with pytest.raises(ValueError):
            envs.check_goal_env(f"{kind.__name__}-v0")


@pytest.mark.parametrize("env_id, ends", [("Episodic-v0", True), ("PointMaze_UMaze-v3", False)])
def test_played_steps_show_whether_success_ends_an_episode(env_id: str, ends: bool) -> None:
    """The goal is put where the task is already, which random actions would not come to."""
    successes = [step for step in envs.played_steps(env_id) if step.success]
    assert successes and all(step.terminated == ends and step.reward == 1 for step in successes)


def test_a_success_that_is_not_known_is_none() -> None:
    found = success_of({"is_success": np.array([np.nan, 1.0, 0.0]), "success": np.array([None, None, True])}, 3)
    assert found.tolist() == [False, True, True]
