"""The environment's own goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class EnvironmentGoals:
    """`achieved_goal` and `desired_goal` of the observation, with the environment's reward.

    Args:
        size: G.
        reward: (achieved (B, G), desired (B, G)), float64 -> (B,) float32.
    """

    def __init__(self, size: int, reward: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.size, self.reward = size, reward

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Achieved and desired goals (N, G), always float64: in their own dtype, differences of integers may wrap."""
        return obs["achieved_goal"].astype(np.float64), obs["desired_goal"].astype(np.float64)

    def reached(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Whether the reward equals that of achieving exactly the desired goal, (B,) bool."""
        return self.reward(achieved, desired) == self.reward(desired, desired)
