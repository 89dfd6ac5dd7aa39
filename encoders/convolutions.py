"""The convolutions of a family: images (B, 84, 84, channels) in, maps (B, channels, height, width) out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from encoders.families import FAMILIES, Layer, shapes

PixelScale = Literal["centered", "unit"]
# Divisors of pixels. "centered" subtracts 128 first: [-1, 1), mid-grey is 0. "unit" does not: [0, 1], black is 0.
DIVISORS: dict[PixelScale, int] = {"centered": 128, "unit": 255}


class PixelConv2d(nn.Conv2d):
    """Conv2d on integer-valued pixels, equal to a Conv2d on `pixels / divisor`.

    The weights are divided instead, which saves a pass over the images. For 128 the results are bit-identical (only
    exponents change). For 255 they are equal up to rounding, and more accurate in bfloat16, which rounds pixels / 255
    but no integer up to 256.
    """

    def __init__(self, inputs: int, layer: Layer, divisor: int) -> None:
        super().__init__(inputs, *layer[:4])
        self.divisor = divisor

    def forward(self, pixels: Tensor) -> Tensor:
        return self._conv_forward(pixels, self.weight / self.divisor, self.bias)


class ChannelNorm(nn.RMSNorm):
    """RMSNorm over the channels at each position of the maps (B, channels, height, width)."""

    def forward(self, maps: Tensor) -> Tensor:
        last = maps.permute(0, 2, 3, 1).to(self.weight.dtype)  # (B, height, width, channels), the layout in memory
        return super().forward(last).permute(0, 3, 1, 2)


def _following(layer: Layer) -> list[nn.Module]:
    """Norm and activation after a layer."""
    if layer.then == "relu":
        return [nn.ReLU(inplace=True)]  # no gradient needs the overwritten input
    return [] if layer.then == "nothing" else [ChannelNorm(layer.channels, eps=1e-4), nn.SiLU()]


class Convolutions(nn.Module):
    """A family's convolutions, each with its norm and activation.

    Args:
        family: a key of `FAMILIES`.
        channels: image channels, 3 per camera and frame.
        size: pixels per side of the images.
        coord_conv: add two channels with each pixel's x and y in [-1, 1] (Liu et al. 2018),
            whatever the pixels' scale.
        pixel_scale: a key of `DIVISORS`. The first layer's zero padding is mid-grey or black accordingly.

    Attributes:
        shape: (channels, height, width) of the output.
    """

    coordinates: Tensor  # (1, 2, size, size) with coord_conv, else (1, 0, size, size)

    def __init__(
        self, family: str, channels: int, size: int, coord_conv: bool, pixel_scale: PixelScale = "centered"
    ) -> None:
        super().__init__()
        line, divisor = torch.linspace(-1, 1, size), DIVISORS[pixel_scale]
        grid = divisor * torch.stack(torch.meshgrid(line, line, indexing="xy"))[None]  # (1, 2, size, size): x, then y
        self.register_buffer("coordinates", grid if coord_conv else grid[:, :0], persistent=False)
        maps = shapes(family, channels + self.coordinates.shape[1], size)
        layers: list[nn.Module] = []
        for (inputs, *_), layer in zip(maps, FAMILIES[family], strict=False):
            convolution = nn.Conv2d(inputs, *layer[:4]) if layers else PixelConv2d(inputs, layer, divisor)
            layers += [convolution, *_following(layer)]
        self.layers = nn.Sequential(*layers)
        self.centered = pixel_scale == "centered"
        self.shape = maps[-1]
        self.in_bfloat16 = False

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (B, size, size, channels) -> (B, *shape).

        Memory stays channels-last from the ring to the pooling. Pixels are converted without loss: bfloat16 represents
        every integer up to 256. Flipping a byte's highest bit and reading the byte as signed subtracts 128.
        """
        dtype = torch.bfloat16 if self.in_bfloat16 else self.layers[0].weight.dtype
        whole = pixels.bitwise_xor(128).view(torch.int8) if self.centered else pixels
        maps = whole.permute(0, 3, 1, 2).to(dtype)  # type: ignore[arg-type]
        if self.coordinates.shape[1]:
            maps = torch.cat([maps, self.coordinates.to(maps.dtype).expand(len(maps), -1, -1, -1)], dim=1)
            maps = maps.contiguous(memory_format=torch.channels_last)
        with torch.autocast(maps.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            return self.layers(maps)
