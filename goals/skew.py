"""Goals sampled the more often the rarer they are (Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ALPHA = -1.0  # power of the density: the paper's, with which goals come to be uniform over what was reached


def skewed_weights(log_likelihood: Tensor) -> Tensor:
    """Weights p(x)^ALPHA of N samples of p, which add up to 1, from log p(x) (N,) but for a constant."""
    return (ALPHA * log_likelihood.double()).softmax(0)


class SkewedGoals(NamedTuple):
    """Goals that were reached, and how likely each is to be sampled."""

    goals: Tensor  # (M, G) float64
    weights: Tensor  # (M,) float64, which add up to 1

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Goals (count, G), on the generator's device."""
        device = generator.device
        uniform = torch.rand(count, dtype=torch.float64, device=device, generator=generator)
        upto = self.weights.to(device).cumsum(0)
        rows = torch.searchsorted(upto, uniform * upto[-1], right=True).clamp(max=len(upto) - 1)
        return self.goals.to(device)[rows]
