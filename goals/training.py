"""Training of an autoencoder for goals: on all images alike, or more on rare ones (Skew-Fit, Pong et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from goals.autoencoder import Autoencoder, Examples, Losses
from goals.skew import weights_of

LEARNING_RATE = 1e-3  # Adam's
BATCH = 64  # images per update


def fit(
    autoencoder: Autoencoder,
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
        autoencoder: the autoencoder to train, on its own device.
        optimizer: optimizer of its parameters.
        examples: what it is trained on.
        updates: number of updates.
        generator: a CPU generator, for the choice of images and the noise.
        weights: (N,), proportional to each image's sampling probability; None for uniform sampling.
        tell: called after each update with the number of updates so far.
        warm_up: updates over which the losses' `factor` rises from 0 to 1: the weight of a VAE's KL divergence (Bowman
            et al. 2016), for a decoder that explains much of an image without latents would otherwise not begin to use
            them. A spatial autoencoder learns the background alone until then.
    """
    device = autoencoder.device
    pixels, told = examples
    weights = torch.ones(len(pixels)) if weights is None else weights.cpu()
    for update in range(updates):
        rows = torch.multinomial(weights, BATCH, replacement=True, generator=generator).to(pixels.device)
        noise = torch.randn(BATCH, autoencoder.latents, generator=generator).to(device)
        factor = min(1.0, update / warm_up) if warm_up else 1.0
        losses = autoencoder.losses(autoencoder.prepared(pixels[rows].to(device)), told[rows].to(device), noise, factor)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        tell(update + 1)
    return Losses(*(part.detach() for part in losses))


class AutoencoderTraining:
    """An autoencoder's optimizer and random numbers.

    Args:
        autoencoder: the autoencoder to train.
        seed: of the choice of images and of the noise.
    """

    def __init__(self, autoencoder: Autoencoder, seed: int) -> None:
        self.autoencoder, self.optimizer = autoencoder, torch.optim.Adam(autoencoder.parameters(), LEARNING_RATE)
        self.generator = torch.Generator().manual_seed(seed)

    def fit(self, examples: Examples, updates: int, **options: Any) -> None:
        """Train on images; the arguments are those of `fit`."""
        fit(self.autoencoder, self.optimizer, examples, updates, self.generator, **options)

    def weights(self, examples: Examples) -> Tensor:
        """Skewed weights (N,) of images, which sum to 1."""
        return weights_of(self.autoencoder, examples, self.generator)

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
