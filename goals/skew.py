"""Goals sampled more often the rarer they are (Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from goals.autoencoder import CHUNK, Autoencoder, Examples
from goals.vae import VAE

ALPHA = -1.0  # power of the density, as in the paper: goals become uniform over everything reached
# Lowest effective sample size, as a fraction of the samples. Log-likelihoods of whole images differ by tens of nats:
# with the paper's power, one of 200 images had all the weight, and a VAE trained on this image would forget.
LEAST = 0.1
HALVINGS = 40
SAMPLES = 10  # latent samples per image for its likelihood (as in Skew-Fit)
POOL = 1000  # stored observations that the skewed distribution is made of


@torch.no_grad()
def log_likelihood(vae: VAE, images: Tensor, told: Tensor, noise: Tensor) -> Tensor:
    """Estimate of log p(x) of images (N, C, crop, crop), (N,), up to a constant, by importance sampling from q (Burda
    et al. 2016, eq. 8); of log p(x | told) if the decoder is told numbers (N, V).

    log p(x) = log mean_k p(x | z_k) p(z_k) / q(z_k | x), with z_k from standard normal `noise` (K, N, Z).
    """
    mean, log_variance = vae.posterior(images)
    terms = []
    for one in noise:
        latent = mean + (log_variance / 2).exp() * one  # (N, Z)
        error = (vae.decode(latent, told) - images).square().flatten(1).sum(1) / 2
        log_ratio = (one.square() + log_variance - latent.square()).sum(1) / 2  # log p(z) - log q(z | x)
        terms.append(log_ratio - error)
    return torch.stack(terms).logsumexp(0) - math.log(len(noise))


def weights_of(vae: Autoencoder, examples: Examples, generator: torch.Generator) -> Tensor:
    """Skewed weights (N,) of images, which sum to 1; the generator is a CPU's."""
    assert isinstance(vae, VAE)  # no other has a likelihood
    parts = []
    for pixels, told in zip(examples.pixels.split(CHUNK), examples.told.split(CHUNK), strict=True):
        noise = torch.randn(SAMPLES, len(pixels), vae.latents, generator=generator).to(vae.device)
        parts.append(log_likelihood(vae, vae.prepared(pixels.to(vae.device)), told.to(vae.device), noise))
    return skewed_weights(torch.cat(parts).cpu())


def skewed_weights(log_likelihood: Tensor) -> Tensor:
    """Weights proportional to p(x)^ALPHA for N samples of p, summing to 1, from log p(x) (N,) up to a constant. If the
    effective sample size is below the fraction LEAST, the power is instead the nearest to ALPHA that reaches LEAST."""
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
    """Effective sample size under weights (N,) that sum to 1: 1 / sum of squares (Kish 1965)."""
    return 1 / weights.square().sum().item()


class SkewedGoals(NamedTuple):
    """Goals that were reached, and their sampling probabilities."""

    goals: Tensor  # (M, G) float64
    weights: Tensor  # (M,) float64, which sum to 1

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Sample goals (count, G); the generator must be on the goals' device."""
        uniform = torch.rand(count, dtype=torch.float64, device=self.goals.device, generator=generator)
        upto = self.weights.cumsum(0)
        rows = torch.searchsorted(upto, uniform * upto[-1], right=True).clamp(max=len(upto) - 1)
        return self.goals[rows]
