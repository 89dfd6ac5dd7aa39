"""Hindsight experience replay (Andrychowicz et al. 2017): relabelling with an episode's own achieved goals.

Pure functions on tensors. Time counts an environment's observations: observation `start` opens the episode,
observation `end` is its last one, so the achieved goals that an action led to are those of `start + 1 .. end`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Strategy = Literal["future", "final", "episode", "none"]

RewardFn = Callable[[Tensor, Tensor], Tensor]
"""(achieved (B, G) float64, desired (B, G) float64) -> reward (B,) float32."""


class Imagined(NamedTuple):
    """Goals for relabelling that do not come from the transition's own episode (RIG, Nair et al. 2018)."""

    ratio: float  # fraction of a minibatch that gets an imagined goal, at most the relabelled fraction
    sample: Callable[[int, torch.Generator], Tensor]  # B -> goals (B, G) float64

    def mix(
        self, lent: Tensor, desired: Tensor, chance: Tensor, her_ratio: float, generator: torch.Generator
    ) -> Tensor:
        """Goals (B, G), chosen by uniform numbers `chance` (B,) in [0, 1): imagined goals below `ratio`, hindsight's
        `lent` goals from there up to `her_ratio`, and the desired goals above."""
        imagined = chance < min(self.ratio, her_ratio)
        goal = torch.where((chance < her_ratio)[:, None], lent, desired)
        return torch.where(imagined[:, None], self.sample(len(chance), generator), goal)


def goal_time(strategy: Strategy, time: Tensor, start: Tensor, end: Tensor, uniform: Tensor) -> Tensor:
    """Time whose achieved goal replaces the desired goal.

    Args:
        strategy: "future" samples from `time + 1 .. end`, "episode" from `start + 1 .. end`, "final" takes `end`.
        time, start, end: (B,) int64, `start <= time < end`.
        uniform: (B,) float64 in [0, 1).

    Returns:
        (B,) int64.
    """
    if strategy == "final":
        return end
    first = (time if strategy == "future" else start) + 1
    return first + (uniform * (end - first + 1)).long()  # in float64 the product never rounds up to the full count


def first_not_reached(reached: Tensor) -> Tensor:
    """Index of the first of T candidates whose goal was not reached, for each row; 0 if all goals were reached.

    Args:
        reached: (T, B) bool, whether the goal of candidate t of transition b was already reached.

    Returns:
        (B,) int64, which of the T candidates to take.
    """
    return (~reached).to(torch.uint8).argmax(0)


def near(lent: Tensor, desired: Tensor, uniform: Tensor, scale: float) -> Tensor:
    """Relabelled goals plus noise: a random fraction of the difference between two desired goals of the batch.

    Hindsight lends only goals that were reached, so no transition shows an object at rest slightly beside its goal. The
    critics then value such near misses as successes, and the policy stops there. Goals with noise lie on both sides of
    the threshold between reached and missed, and each gets its true reward. (Lin et al. 2020, goal-augmented experience
    replay, move goals only as far as they still count as reached.) The difference between two desired goals has the
    scale of the task's goals, and is zero in coordinates in which all goals agree.

    Args:
        lent: (B, G) float64.
        desired: (B, G) float64, the desired goals of the same transitions, which are in random order.
        uniform: (B,) float64 in [0, 1).
        scale: largest fraction of the difference.

    Returns:
        (B, G) float64.
    """
    return lent + scale * uniform[:, None] * (desired.roll(1, 0) - desired.roll(2, 0))


def relabel(
    reward_fn: RewardFn,
    relabelled: Tensor,
    new_goal: Tensor,
    desired_goal: Tensor,
    next_achieved_goal: Tensor,
    reward: Tensor,
) -> tuple[Tensor, Tensor]:
    """Put `new_goal` and its reward where `relabelled` is true; elsewhere keep the environment's goal and reward.

    Args:
        relabelled: (B,) bool.
        new_goal, desired_goal, next_achieved_goal: (B, G) float64.
        reward: (B,) float32.

    Returns:
        goal (B, G) float64 and reward (B,) float32.
    """
    goal = torch.where(relabelled[:, None], new_goal, desired_goal)
    return goal, torch.where(relabelled, reward_fn(next_achieved_goal, goal), reward)
