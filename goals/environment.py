"""The goals that the environment itself shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class EnvironmentGoals:
    """`achieved_goal` and `desired_goal` of the observation, and the environment's reward of them.

    Args:
        size: G.
        reward: (achieved (B, G), desired (B, G)), float64 -> (B,) float32.
    """

    def __init__(self, size: int, reward: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.size, self.reward = size, reward

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """In float64 whatever their spaces' dtypes are: in those, a difference of small integers may wrap around."""
        return obs["achieved_goal"].astype(np.float64), obs["desired_goal"].astype(np.float64)

    def reached(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Where the reward is what it is for the desired goal itself."""
        return self.reward(achieved, desired) == self.reward(desired, desired)
