"""What a goal space has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray
from torch import Tensor


class GoalSpace(Protocol):
    """Goals of G numbers: where they come from, when they are reached, and what that pays.

    The networks read them, hindsight lends them, and relabelled rewards are this space's. What the environment itself
    returned stays as it was: transitions that are not relabelled keep its reward, and success is its own flag. (Where
    there are imagined goals too, `replay.hindsight.Imagined`, this space pays all transitions.)
    """

    size: int  # G

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Achieved and desired goals (N, G), float64, of what a vector of N environments returned."""
        ...

    def reward(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Reward (B,) float32 of having achieved (B, G) where (B, G) was desired, both float64."""
        ...

    def reached(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Whether the desired goals (B, G) are reached at the achieved ones (B, G), (B,) bool."""
        ...
