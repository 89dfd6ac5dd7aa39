"""A beta-VAE of images (Kingma and Welling 2014; Higgins et al. 2017), small enough for a CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from encoders.normalizer import Normalizer
from goals.autoencoder import HIDDEN, Examples, Losses

WIDTHS = (16, 32, 64)  # channels of the convolutions, each of which halves the side


class VAE(nn.Module):
    """Convolutions to a Gaussian q(z | x) of Z latents; transposed convolutions to the mean of a Gaussian p(x | z).

    Losses are per image, not per pixel: the loss of an image is half its squared error, summed over all pixels and
    channels in [0, 1], plus `beta` times the KL divergence to N(0, I), summed over latents. With beta 1 this is the
    negative ELBO of a decoder of unit variance, up to a constant.

    The decoder can be told V numbers beside the latents (a conditional VAE, Sohn et al. 2015). What these explain, the
    latents need not hold: where the arm is, if the numbers are the robot's own.

    Args:
        latents: Z.
        channels: image channels, 3 per camera.
        crop: pixels per side of the central crop that is read.
        beta: weight of the KL divergence.
        told: V, numbers that the decoder is told.
    """

    def __init__(self, latents: int, channels: int, crop: int, beta: float, told: int = 0) -> None:
        super().__init__()
        self.latents, self.channels, self.crop, self.beta, self.told = latents, channels, crop, beta, told
        layers: list[nn.Module] = []
        mirrored: list[nn.Module] = []
        side, before = crop, channels
        for width in WIDTHS:
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.ReLU()]
            mirrored = [nn.ConvTranspose2d(width, before, 4, stride=2, padding=1), nn.ReLU(), *mirrored]
            side, before = -(-side // 2), width
        self.maps = before, side, side
        size = math.prod(self.maps)
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 2 * latents))
        self.linear = nn.Sequential(nn.Linear(latents, size), nn.ReLU(), nn.Unflatten(1, self.maps))
        self.normalizer = Normalizer(told) if told else None
        self.telling = nn.Sequential(nn.Linear(told, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, size)) if told else None
        self.decoder = nn.Sequential(*mirrored[:-1])  # no ReLU behind the last

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def begin(self, examples: Examples) -> None:
        """Take the told numbers' statistics from the examples."""
        if self.normalizer is not None:
            self.normalizer.update(examples.told.to(self.device))

    def prepared(self, pixels: Tensor) -> Tensor:
        """Images (N, H, W, C) uint8 -> central crops (N, C, crop, crop), float32 in [0, 1]."""
        first = (pixels.shape[1] - self.crop) // 2
        middle = pixels[:, first : first + self.crop, first : first + self.crop]
        return middle.permute(0, 3, 1, 2).to(torch.float32) / 255

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, crop, crop) -> mean and log variance of q(z | x), (N, Z) each."""
        mean, log_variance = self.encoder(images - 0.5).chunk(2, dim=1)
        return mean, log_variance

    def latent(self, images: Tensor) -> Tensor:
        """Images (N, C, crop, crop) -> mean of q(z | x), (N, Z)."""
        return self.posterior(images)[0]

    def reconstruct(self, images: Tensor, told: Tensor) -> Tensor:
        """Images (N, C, crop, crop), decoded from their latents and what the decoder is told (N, V)."""
        return self.decode(self.latent(images), told)

    def decode(self, latent: Tensor, told: Tensor) -> Tensor:
        """Latents (N, Z) and what the decoder is told (N, V) -> images (N, C, crop, crop), about in [0, 1]."""
        inner = self.linear[0](latent)
        if self.telling is not None and self.normalizer is not None:
            inner = inner + self.telling(self.normalizer(told))
        return self.decoder(self.linear[1:](inner))[..., : self.crop, : self.crop]  # odd sides come out a row larger

    def losses(self, images: Tensor, told: Tensor, noise: Tensor, factor: float = 1.0) -> Losses:
        """Losses of images (N, C, crop, crop), with standard normal `noise` (N, Z) and `factor` times beta."""
        mean, log_variance = self.posterior(images)
        error = self.decode(mean + (log_variance / 2).exp() * noise, told) - images
        reconstruction = error.square().flatten(1).sum(1).mean() / 2
        kl = kl_divergence(mean, log_variance).mean()
        return Losses(reconstruction + factor * self.beta * kl, reconstruction, kl)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, summed over latents: (N, Z) each -> (N,)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
