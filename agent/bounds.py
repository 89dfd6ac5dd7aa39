"""What Q can be at most and at least."""

from __future__ import annotations

import math

from torch import Tensor


def soft_q_bounds(
    reward_range: tuple[float, float], gamma: float, log_alpha: Tensor, action_size: int
) -> tuple[float, Tensor]:
    """Bounds of the optimal soft Q: the lowest reward forever; the highest reward and entropy bonus forever.

    The upper one holds for any policy in [-1, 1]^A: none has more entropy than uniform actions, A log 2. The lower one
    holds for any policy at least as good as uniform actions: those earn at least the lowest reward, and their entropy
    bonus, left out here, is positive. Both bound Q'(s', a') before the target's entropy term, for log pi of a sampled
    action is unbounded.
    """
    low, high = reward_range
    entropy = log_alpha.detach().exp() * action_size * math.log(2)
    return low / (1 - gamma), (high + gamma * entropy) / (1 - gamma)
