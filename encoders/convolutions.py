"""Families of convolutions, as tables: images (B, 84, 84, channels) in, maps (B, channels, height, width) out.

- nature (Mnih et al. 2015): 84 -> 20 -> 9 -> 7, 32 maps, then 64.
- manipulation (the chapter's): 84 -> 42 -> 42 -> 42 -> 21, 32 maps.
- drqv2 (Yarats et al. 2021): 84 -> 41 -> 39 -> 37 -> 35, 32 maps.
- fast: 84 -> 42 -> 21 -> 21, 16 maps, then 32; for a CPU, where the large maps of the first layers cost most. In the
  preset push-pixels, one seed learned as much per step as with manipulation (measured with the previous version,
  experiments/results/ablations), and an update takes half the time (benchmarks/README.md).
- tdmpc2 (Hansen et al. 2024): 84 -> 39 -> 18 -> 8 -> 6, 32 maps; at the paper's 64 pixels 29, 13, 6, 4. Only SimNorm
  follows the last layer (`pooling.py`). The paper's random shift, applied in evaluation too, is left out.
- dreamer (DreamerV3, Hafner et al. 2025): 84 -> 42 -> 21 -> 11 -> 6, 32 maps, then 48, 64, 64: multiples 2, 3, 4, 4 of
  16, as in the 12M model; RMSNorm and SiLU after each layer. Padding is 2 on all sides, whereas JAX's "same" pads an
  even side by 1 before and 2 after.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

PixelScale = Literal["centered", "unit"]
# Divisors of pixels. "centered" subtracts 128 first: [-1, 1), mid-grey is 0. "unit" does not: [0, 1], black is 0.
DIVISORS: dict[PixelScale, int] = {"centered": 128, "unit": 255}


class Layer(NamedTuple):
    channels: int
    kernel: int
    stride: int
    padding: int
    then: Literal["relu", "rms-norm, silu", "nothing"] = "relu"


def _three_by_three(*strides: int, padding: int) -> tuple[Layer, ...]:
    return tuple(Layer(32, 3, stride, padding) for stride in strides)


FAMILIES: dict[str, tuple[Layer, ...]] = {
    "nature": (Layer(32, 8, 4, 0), Layer(64, 4, 2, 0), Layer(64, 3, 1, 0)),
    "manipulation": _three_by_three(2, 1, 1, 2, padding=1),
    "drqv2": _three_by_three(2, 1, 1, 1, padding=0),
    "fast": (Layer(16, 3, 2, 1), Layer(32, 3, 2, 1), Layer(32, 3, 1, 1)),
    "tdmpc2": (Layer(32, 7, 2, 0), Layer(32, 5, 2, 0), Layer(32, 3, 2, 0), Layer(32, 3, 1, 0, "nothing")),
    "dreamer": tuple(Layer(16 * multiple, 5, 2, 2, "rms-norm, silu") for multiple in (2, 3, 4, 4)),
}


def shapes(family: str, channels: int, size: int) -> list[tuple[int, int, int]]:
    """Shapes (channels, height, width) of the images and of each layer's output."""
    found = [(channels, size, size)]
    for layer in FAMILIES[family]:
        side = (found[-1][-1] + 2 * layer.padding - layer.kernel) // layer.stride + 1
        found.append((layer.channels, side, side))
    return found


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
