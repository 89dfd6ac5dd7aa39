"""Goal environments that fail, or say too much, at other times than while they are checked: registered when this is
imported."""

from __future__ import annotations

import threading
from typing import Any

import gymnasium as gym
import numpy as np

from tests.envs.odd import LIMIT, Tidy


class Closing(Tidy):
    def close(self) -> None:
        raise RuntimeError("the window is gone")


class ClosingUnused(Tidy):
    def close(self) -> None:
        del self.at  # which only a reset makes


class Talkative(Tidy):
    """Prints, observes what nobody asked for, and reports what cannot be sent to another process."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        wind = gym.spaces.Box(-1, 1, (3,), np.float64)
        self.observation_space = gym.spaces.Dict({**self.observation_space.spaces, "wind": wind})  # type: ignore

    def observe(self) -> dict[str, Any]:
        print("a step, or a reset")
        return super().observe() | {"wind": np.zeros(3)}

    def step(self, action: np.ndarray) -> Any:
        *rest, info = super().step(action)
        return (*rest, info | {"lock": threading.Lock(), "at": self.at[0]})


class Weary(Tidy):
    """Raises from `reset`, its constructor and `compute_reward` once each has been called as often as it says here."""

    resets = built = rewards = 10**9
    error: type[Exception] = RuntimeError

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        Weary.built -= 1
        if Weary.built < 0:
            raise Weary.error("no more of them")

    def reset(self, **kwargs: Any) -> Any:
        Weary.resets -= 1
        if Weary.resets < 0:
            raise RuntimeError("tired")
        return super().reset(**kwargs)

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        if len(achieved) > 8:  # a minibatch's, or a check's
            Weary.rewards -= 1
        if Weary.rewards < 0:
            raise Weary.error("no reward")
        return super().compute_reward(achieved, desired, info)


FAILING: tuple[Any, ...] = (Closing, ClosingUnused, Talkative, Weary)
for kind in FAILING:
    gym.register(f"{kind.__name__}-v0", kind, max_episode_steps=LIMIT)
