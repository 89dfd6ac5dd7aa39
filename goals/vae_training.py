"""Training of the VAE whose latents are goals: uniformly, or more on rare images (Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from goals.skew import log_likelihood, skewed_weights
from goals.vae import VAE, Losses

LEARNING_RATE = 1e-3  # Adam's
BATCH = 64  # images per update
CHUNK = 256  # images per encoder pass
SAMPLES = 10  # latent samples per image for its likelihood (as in Skew-Fit)


class Examples(NamedTuple):
    """N images, and what the decoder is told beside their latents."""

    pixels: Tensor  # (N, H, W, C) uint8, on any device
    told: Tensor  # (N, V) float32


def fit(
    vae: VAE,
    optimizer: torch.optim.Optimizer,
    examples: Examples,
    updates: int,
    generator: torch.Generator,
    weights: Tensor | None = None,
    tell: Callable[[int], object] = int,
    warm_up: int = 0,
) -> Losses:
    """Train on minibatches of BATCH images, sampled with replacement. Returns the losses of the last minibatch.

    Args:
        vae: the VAE to train, on its own device.
        optimizer: optimizer of the VAE's parameters.
        examples: what it is trained on.
        updates: number of updates.
        generator: a CPU generator, for the choice of images and the noise.
        weights: (N,), proportional to each image's sampling probability; None for uniform sampling.
        tell: called after each update with the number of updates so far.
        warm_up: updates over which the KL divergence's weight rises from 0 (Bowman et al. 2016): a decoder that
            explains much of an image without latents would otherwise not begin to use them.
    """
    device = next(vae.parameters()).device
    pixels, told = examples
    weights = torch.ones(len(pixels)) if weights is None else weights.cpu()
    for update in range(updates):
        rows = torch.multinomial(weights, BATCH, replacement=True, generator=generator).to(pixels.device)
        noise = torch.randn(BATCH, vae.latents, generator=generator).to(device)
        factor = min(1.0, update / warm_up) if warm_up else 1.0
        losses = vae.losses(vae.cropped(pixels[rows].to(device)), told[rows].to(device), noise, factor)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        tell(update + 1)
    return Losses(*(part.detach() for part in losses))


class VAETraining:
    """A VAE's optimizer and random numbers.

    Args:
        vae: the VAE to train.
        seed: of the choice of images and of the noise.
    """

    def __init__(self, vae: VAE, seed: int) -> None:
        self.vae, self.optimizer = vae, torch.optim.Adam(vae.parameters(), LEARNING_RATE)
        self.generator = torch.Generator().manual_seed(seed)

    def fit(self, examples: Examples, updates: int, **options: Any) -> None:
        """Train on images; the arguments are those of `fit`."""
        fit(self.vae, self.optimizer, examples, updates, self.generator, **options)

    def weights(self, examples: Examples) -> Tensor:
        """Skewed weights (N,) of images, which sum to 1."""
        parts, device = [], self.vae.device
        for pixels, told in zip(examples.pixels.split(CHUNK), examples.told.split(CHUNK), strict=True):
            noise = torch.randn(SAMPLES, len(pixels), self.vae.latents, generator=self.generator).to(device)
            images = self.vae.cropped(pixels.to(device))
            parts.append(log_likelihood(self.vae, images, told.to(device), noise))
        return skewed_weights(torch.cat(parts).cpu())

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
