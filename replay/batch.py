"""The one thing that replay hands to the agent."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """A minibatch of transitions, goals already relabelled.

    `vector` is all that the networks see of an observation besides the goal; the observation layout chose it.
    """

    vector: Tensor  # (B, V) float32
    action: Tensor  # (B, A) float32, in [-1, 1]
    reward: Tensor  # (B,)   float32, for reaching `goal`
    next_vector: Tensor  # (B, V) float32
    terminated: Tensor  # (B,)   float32, 1 where the episode truly ended: no bootstrap. Truncation leaves 0
    goal: Tensor  # (B, G) float32, seen from `vector`
    next_goal: Tensor  # (B, G) float32, the same goal seen from `next_vector`: it differs only if goals are relative

    def split(self, size: int) -> list[Batch]:
        """Cut into minibatches of `size` (views, no copies)."""
        parts = zip(*(getattr(self, field.name).split(size) for field in fields(self)), strict=True)
        return [Batch(*part) for part in parts]
