"""A tiny goal environment that misbehaves on request, and comparison to the last bit."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import gymnasium as gym
import numpy as np

from envs.rendering import watchdog

RAISE, HANG, EXIT = 2.0, 3.0, 4.0  # values of action[0] that ask for it


class Unruly(gym.Env[Any, Any]):
    """Goals are points on a line. Infos come in all kinds, and not every time.

    Attributes:
        sick: when ("reset" or "step") which key ("reward" too) gets which value in its first place; None for never.
        raises: whether the next step raises.
    """

    sick: tuple[str, str, float] | None = None
    raises = False

    metadata = {"render_modes": []}  # noqa: RUF012 (gymnasium's declaration)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        point = gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(keys, point))
        self.action_space = gym.spaces.Box(-5.0, 5.0, (2,), np.float32)
        self.scale = 1.0

    @property
    def exit_code_of_a_hang(self) -> int:
        return watchdog.exit_code

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.goal = self.np_random.uniform(-1, 1, 1)
        self.at = np.full(1, (options or {}).get("start", 0.0))
        return self._observe("reset"), {"seed": -1 if seed is None else seed}

    def step(self, action: np.ndarray) -> Any:
        if action[0] == RAISE or self.raises:
            raise ArithmeticError("a deliberate failure")
        if action[0] == HANG:
            time.sleep(60)
        if action[0] == EXIT:
            os._exit(int(action[1]))
        self.at = self.at + self.scale * float(action[1])
        info = {"success": bool(self.at[0] > 1), "at": self.at.copy(), "name": f"{self.at[0]:.3f}"}
        if self.at[0] < 0:
            info["below"] = np.float32(self.at[0])
        reward = self.compute_reward(self.at, self.goal, info)
        if self.sick is not None and self.sick[:2] == ("step", "reward"):
            reward = self.sick[2]
        return self._observe("step"), reward, bool(self.at[0] > 2), False, info

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return -np.abs(achieved - desired)[..., 0]

    def loaded(self, module: str) -> bool:
        """Whether this process has imported `module`."""
        return module in sys.modules

    def _observe(self, when: str) -> dict[str, np.ndarray]:
        seen = {"observation": self.at.copy(), "achieved_goal": self.at.copy(), "desired_goal": self.goal.copy()}
        if self.sick is not None and self.sick[0] == when and self.sick[1] in seen:
            seen[self.sick[1]][0] = self.sick[2]
        return seen


def register() -> None:
    """Make `Unruly-v0` (episodes of 7 steps) and its endless twin known to gymnasium, once."""
    if "Unruly-v0" not in gym.registry:
        gym.register("Unruly-v0", "tests.envs.unruly:Unruly", max_episode_steps=7)
        gym.register("Endless-v0", "tests.envs.unruly:Unruly")


def same(a: Any, b: Any) -> bool:
    """Equality to the last bit and to the dtype, through dicts, lists, tuples and object arrays."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (np.ndarray, np.generic)):
        if type(a) is not type(b) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return same(a.tolist(), b.tolist()) if a.dtype == object else a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b
