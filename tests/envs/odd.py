"""Goal environments that are each wrong in one way, around one that is right: registered when this is imported."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv

LIMIT = 20  # steps of an episode


class Tidy(gym.Env[Any, Any]):
    """A point in the plane is moved to within 0.5 of a goal; what it returns is as gymnasium and SB3 want it."""

    def __init__(self, render_mode: str | None = None) -> None:
        point = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(keys, point))
        self.action_space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.at, self._goal, self.steps = np.zeros(2), self.np_random.uniform(5, 9, 2), 0
        return self.observe(), {}

    def step(self, action: np.ndarray) -> Any:
        self.at, self.steps = self.at + action, self.steps + 1
        info = {"is_success": bool(np.linalg.norm(self.at - self._goal) <= 0.5)}
        return self.observe(), float(self.compute_reward(self.at, self._goal, info)), False, False, info

    def observe(self) -> dict[str, Any]:
        return {"observation": self.at.copy(), "achieved_goal": self.at.copy(), "desired_goal": self._goal.copy()}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.5).astype(np.float64)


class OldReset(Tidy):
    def reset(self, **kwargs: Any) -> Any:
        return super().reset(**kwargs)[0]


class OldStep(Tidy):
    def step(self, action: np.ndarray) -> Any:
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class Seedless(Tidy):
    def reset(self) -> Any:  # type: ignore[override]
        return super().reset()


class SmallSeeds(Tidy):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None and seed > 1000:
            raise OverflowError("the seed is too large")
        return super().reset(seed=seed)


class OneNumber(Tidy):
    """One number where the space says two: what broadcasting would train on."""

    def step(self, action: np.ndarray) -> Any:
        observation, *rest = super().step(action)
        return (observation | {"achieved_goal": observation["achieved_goal"][:1]}, *rest)


class OneNumberAtReset(Tidy):
    def reset(self, **kwargs: Any) -> Any:
        observation, info = super().reset(**kwargs)
        return observation | {"observation": 1.0}, info


class NoGoal(Tidy):
    def step(self, action: np.ndarray) -> Any:
        observation, *rest = super().step(action)
        del observation["desired_goal"]
        return (observation, *rest)


class Fractions(Tidy):
    """Fractions where the space says whole numbers."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.observation_space["observation"] = gym.spaces.Box(-9, 9, (2,), np.int64)  # type: ignore[index]


class NotANumber(Tidy):
    def observe(self) -> dict[str, Any]:
        return super().observe() | {"observation": np.array([0.0, math.nan])}


class ListedReward(Tidy):
    def step(self, action: np.ndarray) -> Any:
        observation, reward, *rest = super().step(action)
        return (observation, np.array([reward]), *rest)


class NoBool(Tidy):
    def step(self, action: np.ndarray) -> Any:
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, None, truncated, info


class SaidSuccess(Tidy):
    def step(self, action: np.ndarray) -> Any:
        *rest, info = super().step(action)
        return (*rest, {"is_success": "yes" if info["is_success"] else "no"})


class NanSuccess(Tidy):
    def step(self, action: np.ndarray) -> Any:
        *rest, info = super().step(action)
        return (*rest, {"is_success": 1.0 if info["is_success"] else math.nan})


class InPlace(Tidy):
    """A `compute_reward` that writes into the goals it is given."""

    def step(self, action: np.ndarray) -> Any:
        self.at, self.steps = self.at + action, self.steps + 1
        reward = float(self.compute_reward(self.at.copy(), self._goal.copy(), {}))
        return self.observe(), reward, False, False, {"is_success": reward == 0}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        desired -= achieved
        return -(np.linalg.norm(desired, axis=-1) > 0.5).astype(np.float64)


class ListedSuccess(Tidy):
    def step(self, action: np.ndarray) -> Any:
        *rest, info = super().step(action)
        return (*rest, {"is_success": np.array([info["is_success"]])})


class WholeBatch(Tidy):
    """A norm over the whole batch, though with a reward for each row."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return -(np.linalg.norm(achieved - desired) > 0.5).astype(np.float64) * np.ones(achieved.shape[:-1])


class Coordinates(Tidy):
    """Rows of the batch are taken for coordinates: with as many goals as coordinates the shape is right."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        x, y = achieved[0] - desired[0], achieved[1] - desired[1]
        return -np.sqrt(x * x + y * y)


class Pairs(Tidy):
    """Takes batches of the goal's size alone."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        rewards = super().compute_reward(achieved, desired, info)
        return rewards[:2] if achieved.ndim == 2 else rewards


class Logarithm(Tidy):
    """Infinite where the goal is reached exactly, as all lent ones are."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return -np.log(np.linalg.norm(achieved - desired, axis=-1))


class NeedsReset(Tidy):
    """Knows its reward after the first reset only."""

    def reset(self, **kwargs: Any) -> Any:
        self.radius = 0.5
        return super().reset(**kwargs)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return -(np.linalg.norm(achieved - desired, axis=-1) > self.radius).astype(np.float64)


class Huge(Tidy):
    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        most = float(np.finfo(np.float32).max)
        self.action_space = gym.spaces.Box(-most, most, (2,), np.float32)


class Fixed(Tidy):
    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.action_space = gym.spaces.Box(0.0, 0.0, (2,), np.float32)


class Late(Tidy):
    """Success comes, and ends the episode, at the tenth step: later than any check plays."""

    length = 10

    def step(self, action: np.ndarray) -> Any:
        observation, reward, *_ = super().step(action)
        return observation, reward, self.steps == self.length, False, {"is_success": self.steps == self.length}


class Soon(Late):
    length = 3


class TenTimes(gym.RewardWrapper[Any, Any]):
    """Without a `compute_reward` of its own."""

    def reward(self, reward: Any) -> float:
        return 10 * float(reward)


class Bonus(gym.Wrapper[Any, Any, Any, Any]):
    """A reward on success that `compute_reward` does not know of."""

    def step(self, action: np.ndarray) -> Any:
        observation, reward, *rest, info = self.env.step(action)
        return (observation, float(reward) + 5 * float(info["is_success"]), *rest, info)


class PlusOne(gym.Wrapper[Any, Any, Any, Any]):
    """Adds 1 to what a step and `compute_reward` give: right, but no reward of stock's."""

    def step(self, action: np.ndarray) -> Any:
        observation, reward, *rest = self.env.step(action)
        return (observation, float(reward) + 1, *rest)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return self.get_wrapper_attr("env").get_wrapper_attr("compute_reward")(achieved, desired, info) + 1


def seven(achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
    return 7.0 - np.linalg.norm(achieved - desired, axis=-1)


def replaced(**kwargs: Any) -> gym.Env[Any, Any]:
    """Stock Reach whose `compute_reward` is another on this instance alone."""
    env = MujocoFetchReachEnv(**kwargs)
    env.compute_reward = seven
    return env


class Subclass(MujocoFetchReachEnv):
    compute_reward = staticmethod(seven)


TIDY: tuple[Any, ...] = (
    Tidy, OldReset, OldStep, Seedless, SmallSeeds, OneNumber, OneNumberAtReset, NoGoal, Fractions, NotANumber,
    ListedReward, NoBool, ListedSuccess, SaidSuccess, NanSuccess, InPlace,
    WholeBatch, Coordinates, Pairs, Logarithm, NeedsReset, Huge, Fixed, Late, Soon,
)  # fmt: skip
REACH: dict[str, Any] = {
    "TenTimes-v0": lambda **kwargs: TenTimes(gym.make("FetchReach-v4", **kwargs)),
    "Bonus-v0": lambda **kwargs: Bonus(gym.make("FetchReach-v4", **kwargs)),
    "PlusOne-v0": lambda **kwargs: PlusOne(gym.make("FetchReach-v4", **kwargs)),
    "Replaced-v0": replaced,
    "Subclass-v0": Subclass,
    "Nested-v0": lambda **kwargs: gym.make("FetchReach-v4", max_episode_steps=3, **kwargs),  # a limit within a limit
}
for kind in TIDY:
    gym.register(f"{kind.__name__}-v0", kind, max_episode_steps=LIMIT)
for name, build in REACH.items():
    gym.register(name, build, max_episode_steps=50)
gym.register(
    "Episodic-v0",
    "gymnasium_robotics.envs.maze.point_maze:PointMazeEnv",
    kwargs={"continuing_task": False},
    max_episode_steps=300,
)
