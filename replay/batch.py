"""The minibatch, the only thing that the replay hands to the agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

Observation = dict[str, Tensor]
"""Network inputs besides the goal, by name: "vector" (P, V) float32; "pixels" (P, H, W, C) uint8, or instead
"embedding" (P, E) float16, a frozen network's features of the images. Optional: "estimate" (P, G) float32, the achieved
goal as estimated from the images, used instead of them; "estimate_before" (P, G) float32, the previous observation's
estimate (at an episode's first observation, its own); "index" (P,) int64, the observation's number in the replay, never
given to another observation; "state" (P, S) float32, the full state, for a critic that reads it."""


class Future(NamedTuple):
    """The K observations after each transition's own, in its episode, and the actions that led to them."""

    obs: Observation  # (P, K, ...): [:, 0] is the observation one step later
    action: Tensor  # (P, K, A) float32: [:, 0] is the transition's own
    mask: Tensor  # (P, K) bool, False after the episode's end: obs repeats the last one, actions are arbitrary


@dataclass(frozen=True)
class Batch:
    """A minibatch of transitions, goals already relabelled.

    Images are expensive to encode and do not depend on the goal, so a transition may come with several goals: of P
    transitions and B = M P goals, goal b belongs to transition b mod P. From state, P = B.
    """

    obs: Observation  # the parts that the networks read
    next_obs: Observation  # k steps later: `Ring`'s n_step, or fewer at an episode's end
    action: Tensor  # (B, A) float32, in [-1, 1]
    reward: Tensor  # (B,)   float32, for `goal`; discounted sum over k steps
    discount: Tensor  # (B,)   float32, gamma^k (1 - terminated). Truncation bootstraps, termination does not
    goal: Tensor  # (B, G) float32, at `obs`
    next_goal: Tensor  # (B, G) float32, the same goal at `next_obs`: differs only if goals are relative
    achieved_goal: Tensor  # (P, G) float32, for auxiliary losses; not a network input
    future: Future | None = None  # only if requested

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """Apply `function` to every tensor."""
        return Batch(**{field.name: _map(function, getattr(self, field.name)) for field in fields(self)})

    def tensors(self) -> list[Tensor]:
        """All tensors, always in the same order."""
        found: list[Tensor] = []
        self.map(lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
        return found

    def to(self, device: torch.device) -> Batch:
        """Move to another device; to a GPU through pinned memory, so that the copy is asynchronous."""
        here = self.reward.device
        if device == here:
            return self
        pinned = device.type == "cuda" and here.type == "cpu"
        return self.map(lambda part: (part.pin_memory() if pinned else part).to(device, non_blocking=True))

    def copy_(self, other: Batch) -> None:
        """Overwrite this batch, in place, with another batch of the same shapes."""
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            mine.copy_(theirs)

    def split(self, size: int) -> list[Batch]:
        """Cut into minibatches of `size` goals (views, no copies). With several goals for each transition, the parts
        share the observations."""
        goals = len(self.reward)
        shared = {} if len(self.achieved_goal) == goals else {n: getattr(self, n) for n in PER_TRANSITION}
        parts = (self.map(lambda one, at=at: one[at : at + size]) for at in range(0, goals, size))  # type: ignore[misc]
        return [replace(part, **shared) for part in parts]


PER_TRANSITION = ("obs", "next_obs", "achieved_goal", "future")


def _map(function: Callable[[Tensor], Tensor], part: Any) -> Any:
    if isinstance(part, dict):
        return {name: function(one) for name, one in part.items()}
    if isinstance(part, Future):
        return Future(*(_map(function, one) for one in part))
    return None if part is None else function(part)
