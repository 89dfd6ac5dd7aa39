"""Goals sampled the more often the rarer they are (Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ALPHA = -1.0  # power of the density: the paper's, with which goals come to be uniform over what was reached
# Fraction of the samples that have to count, as an effective sample size. Log-likelihoods of whole images differ by
# tens of nats: with the paper's power, one of 200 images had all the weight, and a VAE trained on it would forget.
LEAST = 0.1
HALVINGS = 40


def skewed_weights(log_likelihood: Tensor) -> Tensor:
    """Weights p(x)^ALPHA of N samples of p, which add up to 1, from log p(x) (N,) but for a constant. The power is
    ALPHA or, where fewer than LEAST of the samples would count, the nearest to it with which they do."""
    log_likelihood = log_likelihood.double()
    weights = (ALPHA * log_likelihood).softmax(0)
    if effective_size(weights) >= LEAST * len(weights):
        return weights
    steep, flat = ALPHA, 0.0
    for _ in range(HALVINGS):
        middle = (steep + flat) / 2
        enough = effective_size((middle * log_likelihood).softmax(0)) >= LEAST * len(weights)
        steep, flat = (steep, middle) if enough else (middle, flat)
    return (flat * log_likelihood).softmax(0)


def effective_size(weights: Tensor) -> float:
    """Number of samples that count under weights (N,) that add up to 1: 1 / sum of squares (Kish 1965)."""
    return 1 / weights.square().sum().item()


class SkewedGoals(NamedTuple):
    """Goals that were reached, and how likely each is to be sampled."""

    goals: Tensor  # (M, G) float64
    weights: Tensor  # (M,) float64, which add up to 1

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Goals (count, G); the generator is on their device."""
        uniform = torch.rand(count, dtype=torch.float64, device=self.goals.device, generator=generator)
        upto = self.weights.cumsum(0)
        rows = torch.searchsorted(upto, uniform * upto[-1], right=True).clamp(max=len(upto) - 1)
        return self.goals[rows]
