"""The interface of autoencoders whose latents are goals."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

HIDDEN = 256  # hidden units for what a decoder is told
CHUNK = 256  # images per encoder pass without a gradient


class Examples(NamedTuple):
    """N images, and what the decoder is told beside their latents."""

    pixels: Tensor  # (N, H, W, C) uint8, on any device
    told: Tensor  # (N, V) float32


class Losses(NamedTuple):
    """Losses per image, averaged over the batch, 0-d each."""

    total: Tensor  # what is minimised
    reconstruction: Tensor  # half the sum of squared errors over all pixels and channels
    kl: Tensor  # nats, summed over latents; 0 without a prior


class Autoencoder(Protocol):
    """A module that says what an image shows in Z latents, and is trained to draw it again."""

    latents: int  # Z
    channels: int  # of an image, 3 per camera
    told: int  # V, numbers that the decoder is told beside the latents

    @property
    def device(self) -> torch.device: ...

    def begin(self, examples: Examples) -> None:
        """Take statistics of the examples, before any training."""
        ...

    def prepared(self, pixels: Tensor) -> Tensor:
        """Images (N, H, W, C) uint8 as the network reads them, (N, C, h, w) float32 in [0, 1]."""
        ...

    def latent(self, images: Tensor) -> Tensor:
        """Latents (N, Z) of prepared images."""
        ...

    def reconstruct(self, images: Tensor, told: Tensor) -> Tensor:
        """Prepared images, drawn again from their latents and told numbers (N, V)."""
        ...

    def losses(self, images: Tensor, told: Tensor, noise: Tensor, factor: float = 1.0) -> Losses:
        """Losses of prepared images, with standard normal `noise` (N, Z). `factor` rises to 1 during a warm-up."""
        ...

    def parameters(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...
