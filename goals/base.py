"""The interface of goal spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray
from torch import Tensor


class GoalSpace(Protocol):
    """Goals of G numbers: their source, when they are reached, and their rewards.

    The networks read these goals, hindsight relabels with them, and this space computes the relabelled rewards.
    Transitions that are not relabelled keep the environment's reward, and success is the environment's own flag. (With
    imagined goals, `replay.hindsight.Imagined`, this space computes the rewards of all transitions.)
    """

    size: int  # G

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Achieved and desired goals (N, G), float64, from the observations of a vector of N environments."""
        ...

    def reward(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Reward (B,) float32 of achieved goals (B, G) for desired goals (B, G), both float64."""
        ...

    def reached(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Whether the desired goals (B, G) are reached at the achieved ones (B, G), (B,) bool."""
        ...
