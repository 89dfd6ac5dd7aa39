"""Reconstruction of the images from their features (SAC-AE, Yarats et al. 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxiliary.base import Auxiliary, Sizes
from encoders.base import Encoder
from replay.batch import Batch

BITS = 5  # per byte that are reconstructed
LATENT = 1e-6  # weight of the features' squared length
DECAY = 1e-7  # weight decay of the decoder


class Autoencoder(Auxiliary):
    """Decoder that mirrors the encoder's convolutions, with the mean squared error of the reconstructed images.

    Targets are the images that the critic reads, quantised to 5 bits, in [-0.5, 0.5). The paper adds noise within a
    quantisation step; the middle of the step has the same mean gradient. Weight decay of the decoder is part of the
    loss, with the gradient that Adam's own decay would add.

    Args:
        encoder: image encoder; its modules must list the convolutions in the order of application.
        sizes: sizes of the images and their features.
        weight: factor of the loss.
    """

    def __init__(self, encoder: Encoder, sizes: Sizes, weight: float) -> None:
        super().__init__()
        convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
        _, side, channels = self.pixels = sizes.pixels
        layers: list[nn.Module] = []
        for layer in convolutions:
            kernel, stride, padding = (int(one[0]) for one in (layer.kernel_size, layer.stride, layer.padding))
            # A strided layer ignores a few rows at the border; its mirror has to add as many.
            missing = (side + 2 * padding - kernel) % stride
            side = (side + 2 * padding - kernel) // stride + 1
            outputs = layer.in_channels if layers else channels  # the first one may read coordinates too
            layers += [nn.ConvTranspose2d(layer.out_channels, outputs, kernel, stride, padding, missing), nn.ReLU()]
        self.maps = convolutions[-1].out_channels, side
        self.linear = nn.Linear(sizes.features, self.maps[0] * side * side)
        self.layers = nn.Sequential(*reversed(layers))  # reversed, each convolution follows its ReLU
        self.weight = weight
        self.in_bfloat16 = False

    def forward(self, features: Tensor) -> Tensor:
        """Features of the images (P, F) -> images (P, H, W, C), about in [-0.5, 0.5)."""
        channels, side = self.maps
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            maps = self.linear(features).unflatten(1, (side, side, channels)).permute(0, 3, 1, 2)  # channels last
            images = self.layers(maps).permute(0, 2, 3, 1)
        return images.to(features.dtype)

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error over pixels plus both penalties; the metric is the error alone."""
        latent = features[:, : self.linear.in_features]
        error = F.mse_loss(self(latent), target(batch.obs["pixels"]))
        length = latent.square().sum(1).mean() / 2
        decay = torch.stack([one.square().sum() for one in self.parameters()]).sum() / 2
        return self.weight * (error + LATENT * length + DECAY * decay), {"autoencoder_loss": error.detach()}


def target(pixels: Tensor) -> Tensor:
    """Quantise bytes (P, H, W, C) to their highest 5 bits: the middle of each step, in [-0.5, 0.5)."""
    return (pixels // 2 ** (8 - BITS) + 0.5) / 2**BITS - 0.5
