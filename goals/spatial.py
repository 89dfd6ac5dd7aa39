"""An autoencoder whose latents are places in the image (after deep spatial autoencoders, Finn et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from encoders.normalizer import Normalizer
from goals.autoencoder import CHUNK, HIDDEN, Examples, Losses

WIDTH = 16  # channels of the maps before the last
WIDTHS = (64, 32, 16)  # channels of the background before each doubling of its side
STRIDE = 2  # pixels from one place of a map to the next
PATCH = 12  # pixels per side of what is drawn at a place, twice the side of Push's block
PIXELS = 6  # pixels per unit of a latent: latents then have a standard deviation of 1 to 2


class SpatialAutoencoder(nn.Module):
    """Convolutions and a softmax to one place per camera; a patch drawn there, on a background.

    The background is made from V numbers that the decoder is told, the robot's own, and is learned first. The patch is
    then worth most where an image shows what these numbers do not explain: the object. Nobody says where it is.

    A latent is the mean place of a softmax map, as in Finn et al. The decoder draws with the whole map, which is as
    wide as the image when training begins: so no object is out of its reach.

    Args:
        channels: image channels, 3 per camera.
        side: pixels per side of an image.
        told: V, numbers that the decoder is told.
    """

    def __init__(self, channels: int, side: int, told: int) -> None:
        super().__init__()
        self.channels, self.side, self.told, self.cameras = channels, side, told, channels // 3
        self.latents = 2 * self.cameras
        self.encoder = nn.Sequential(
            nn.Conv2d(3, WIDTH, 5, stride=STRIDE, padding=2),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(WIDTH, 1, 3, padding=1),
        )
        self.patch = nn.ConvTranspose2d(
            self.cameras, channels, PATCH, STRIDE, (PATCH - STRIDE) // 2, bias=False, groups=self.cameras
        )
        nn.init.zeros_(self.patch.weight)
        self.normalizer = Normalizer(told)
        small = -(-side // 2 ** len(WIDTHS))
        maps = WIDTHS[0], small, small
        layers = [nn.Linear(told, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTHS[0] * small**2), nn.Unflatten(1, maps)]
        for width, after in zip(WIDTHS, (*WIDTHS[1:], channels), strict=True):
            layers += [nn.ReLU(), nn.ConvTranspose2d(width, after, 4, stride=2, padding=1)]
        self.background = nn.Sequential(*layers)
        self.register_buffer("mean", torch.zeros(channels, side, side))
        self.mean: Tensor

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def begin(self, examples: Examples) -> None:
        """Take the mean image and the told numbers' statistics from the examples, before any training."""
        total = sum(part.double().sum(0) for part in examples.pixels.split(CHUNK))
        self.mean.copy_((total / len(examples.pixels) / 255).permute(2, 0, 1))
        self.normalizer.update(examples.told.to(self.device))

    def prepared(self, pixels: Tensor) -> Tensor:
        """Images (N, side, side, C) uint8 -> (N, C, side, side) float32 in [0, 1]."""
        return pixels.permute(0, 3, 1, 2).to(torch.float32) / 255

    def maps(self, images: Tensor) -> Tensor:
        """Images (N, C, side, side) -> where the object is, a map of sum 1 per camera (N, cameras, h, w)."""
        logits = self.encoder((images - 0.5).unflatten(1, (self.cameras, 3)).flatten(0, 1))
        return logits.flatten(2).softmax(2).view(len(images), self.cameras, *logits.shape[2:])

    def latent(self, images: Tensor) -> Tensor:
        """Images (N, C, side, side) -> each map's mean x and y, from the middle, in units of PIXELS, (N, 2 cameras)."""
        maps = self.maps(images)
        places = STRIDE * torch.arange(maps.shape[-1], device=maps.device, dtype=maps.dtype)
        x, y = (maps.sum(2) * places).sum(2), (maps.sum(3) * places).sum(2)
        return ((torch.stack([x, y], dim=2) - (self.side - 1) / 2) / PIXELS).flatten(1)

    def reconstruct(self, images: Tensor, told: Tensor) -> Tensor:
        """Images (N, C, side, side), drawn again from their maps and what the decoder is told (N, V)."""
        return self.drawn_background(told) + self.patch(self.maps(images))[..., : self.side, : self.side]

    def drawn_background(self, told: Tensor) -> Tensor:
        """What the decoder is told (N, V) -> images in which the object is nowhere in particular (N, C, side, side)."""
        return self.mean + self.background(self.normalizer(told))[..., : self.side, : self.side]

    def losses(self, images: Tensor, told: Tensor, noise: Tensor, factor: float = 1.0) -> Losses:
        """Half the sum of squared errors, without noise and KL; of the background alone while `factor` is below 1."""
        drawn = self.reconstruct(images, told) if factor == 1 else self.drawn_background(told)
        error = (drawn - images).square().flatten(1).sum(1).mean() / 2
        return Losses(error, error, torch.zeros_like(error))
