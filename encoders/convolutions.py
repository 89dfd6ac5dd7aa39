"""Families of convolutions, as tables: images (B, 84, 84, channels) in, maps (B, channels, height, width) out.

- nature (Mnih et al. 2015): 84 -> 20 -> 9 -> 7, 32 maps, then 64.
- manipulation (the chapter's): 84 -> 42 -> 42 -> 42 -> 21, 32 maps.
- drqv2 (Yarats et al. 2021): 84 -> 41 -> 39 -> 37 -> 35, 32 maps.
- fast: 84 -> 42 -> 21 -> 21, 16 maps, then 32; for a CPU, where the large maps of the first layers cost most. In the
  preset push-pixels one seed learned as much a step as with manipulation (of the version before,
  experiments/results/ablations), and an update takes half the time (benchmarks/README.md).
- tdmpc2 (Hansen et al. 2024): 84 -> 39 -> 18 -> 8 -> 6, 32 maps; at its own 64 pixels 29, 13, 6, 4. Nothing follows the
  last layer but SimNorm (`pooling.py`). Its random shift, which acts in evaluations too, is left out.
- dreamer (DreamerV3, Hafner et al. 2025): 84 -> 42 -> 21 -> 11 -> 6, 32 maps, then 48, 64, 64: multiples 2, 3, 4, 4 of
  16, the 16 of its 12M model; each layer with RMSNorm and SiLU. Padded by 2 on all sides, where JAX's "same" pads an
  even number of pixels by 1 before and 2 behind.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

PixelScale = Literal["centered", "unit"]
# What a byte is divided by. "centered" takes 128 from it first: [-1, 1), mid-grey 0. "unit" does not: [0, 1], black 0.
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
    """(channels, height, width) of the images and of what each layer makes of them."""
    found = [(channels, size, size)]
    for layer in FAMILIES[family]:
        side = (found[-1][-1] + 2 * layer.padding - layer.kernel) // layer.stride + 1
        found.append((layer.channels, side, side))
    return found


class PixelConv2d(nn.Conv2d):
    """Conv2d on whole-numbered pixels, equal to a Conv2d on `pixels / divisor`.

    The weights are divided instead, which spares a pass over the images. By 128 that is the same to the last bit
    (only exponents change). By 255 it is the same up to rounding, and in bfloat16 closer: pixels / 255 would be rounded
    there, whole numbers up to 256 are not.
    """

    def __init__(self, inputs: int, layer: Layer, divisor: int) -> None:
        super().__init__(inputs, *layer[:4])
        self.divisor = divisor

    def forward(self, pixels: Tensor) -> Tensor:
        return self._conv_forward(pixels, self.weight / self.divisor, self.bias)


class ChannelNorm(nn.RMSNorm):
    """RMSNorm over the channels of each place of the maps (B, channels, height, width)."""

    def forward(self, maps: Tensor) -> Tensor:
        last = maps.permute(0, 2, 3, 1).to(self.weight.dtype)  # (B, height, width, channels), as they lie in memory
        return super().forward(last).permute(0, 3, 1, 2)


def _following(layer: Layer) -> list[nn.Module]:
    """What a layer's output goes through."""
    if layer.then == "relu":
        return [nn.ReLU(inplace=True)]  # what ReLU overwrites, no gradient asks for again
    return [] if layer.then == "nothing" else [ChannelNorm(layer.channels, eps=1e-4), nn.SiLU()]


class Convolutions(nn.Module):
    """A family's layers, each with what follows it.

    Args:
        family: a key of `FAMILIES`.
        channels: of the images, 3 for each camera and frame.
        size: pixels a side of the images.
        coord_conv: two more channels that hold each pixel's x and y in [-1, 1] (Liu et al. 2018),
            whatever the pixels' scale.
        pixel_scale: a key of `DIVISORS`. What the first layer pads with, 0, is mid-grey or black accordingly.

    Attributes:
        shape: (channels, height, width) of what comes out.
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

        Channels stay last in memory from the ring to the pooling. Pixels become whole numbers without loss: bfloat16
        holds every one up to 256. Flipping a byte's highest bit takes 128 from it, once it is read as signed.
        """
        dtype = torch.bfloat16 if self.in_bfloat16 else self.layers[0].weight.dtype
        whole = pixels.bitwise_xor(128).view(torch.int8) if self.centered else pixels
        maps = whole.permute(0, 3, 1, 2).to(dtype)  # type: ignore[arg-type]
        if self.coordinates.shape[1]:
            maps = torch.cat([maps, self.coordinates.to(maps.dtype).expand(len(maps), -1, -1, -1)], dim=1)
            maps = maps.contiguous(memory_format=torch.channels_last)
        with torch.autocast(maps.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            return self.layers(maps)
