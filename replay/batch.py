"""The one thing that replay hands to the agent."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """A minibatch of transitions, goals already relabelled.

    `vector` and `pixels` are all that the networks see of an observation besides the goal; the layout chose them.
    Pictures are dear to encode and do not depend on the goal, so a transition may come with several goals: of P
    transitions and B = M P goals, goal b belongs to transition b mod P. From state, P = B.
    """

    vector: Tensor  # (P, V) float32
    action: Tensor  # (B, A) float32, in [-1, 1]
    reward: Tensor  # (B,)   float32, for reaching `goal`
    next_vector: Tensor  # (P, V) float32
    terminated: Tensor  # (B,)   float32, 1 where the episode truly ended: no bootstrap. Truncation leaves 0
    goal: Tensor  # (B, G) float32, seen from `vector`
    next_goal: Tensor  # (B, G) float32, the same goal seen from `next_vector`: it differs only if goals are relative
    pixels: Tensor | None = None  # (P, H, W, C) uint8; None where the layout has no pictures
    next_pixels: Tensor | None = None  # (P, H, W, C) uint8
    achieved_goal: Tensor | None = None  # (P, G) float32, for a regression that trains the encoder; no input

    def tensors(self) -> dict[str, Tensor]:
        """By name, what it has of them."""
        parts: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: part for name, part in parts.items() if part is not None}

    def to(self, device: torch.device) -> Batch:
        """On another device; to a GPU through pinned memory, so that nobody waits for the copy."""
        if device == self.vector.device:
            return self
        there = self.tensors()
        if device.type == "cuda" and self.vector.device.type == "cpu":
            there = {name: part.pin_memory() for name, part in there.items()}
        return replace(self, **{name: part.to(device, non_blocking=True) for name, part in there.items()})

    def copy_(self, other: Batch) -> None:
        """Overwrite it, in place, with another of its shapes."""
        for name, part in self.tensors().items():
            part.copy_(getattr(other, name))

    def split(self, size: int) -> list[Batch]:
        """Cut into minibatches of `size` goals (views, no copies). Where there are pictures, each keeps all of them."""
        cut = PER_GOAL if self.pixels is not None else tuple(f.name for f in fields(self))
        parts = {name: whole.split(size) for name in cut if (whole := getattr(self, name)) is not None}
        return [replace(self, **dict(zip(parts, part, strict=True))) for part in zip(*parts.values(), strict=True)]


PER_GOAL = ("action", "reward", "terminated", "goal", "next_goal")
