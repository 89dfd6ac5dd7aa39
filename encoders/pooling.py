"""Pooling of maps into a vector: SpatialSoftmax, a flat linear trunk, or SimNorm."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpatialSoftmax(nn.Module):
    """Position of each map's large values: the mean (x, y) under the softmax of the map (Levine et al. 2016).

    Args:
        channels, height, width: sizes of the maps.
        temperature: initial value of the learned divisor of the maps. At 1, untrained maps, whose values differ by
            hundredths, give nearly uniform weights: every point lies near the middle.

    Attributes:
        out: 2 * channels.
    """

    positions: Tensor  # (height * width, 2)

    def __init__(self, channels: int, height: int, width: int, temperature: float = 1.0) -> None:
        super().__init__()
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("positions", torch.stack([x.flatten(), y.flatten()], dim=1), persistent=False)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())  # its exponential is always positive
        self.out = 2 * channels

    def points(self, maps: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B, channels, 2): x to the right and y down, in [-1, 1]."""
        rows = maps.to(self.log_temperature.dtype).flatten(2)  # (B, channels, height * width)
        return (rows / self.log_temperature.exp()).softmax(-1) @ self.positions

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B, 2 channels): x and y of each map in turn."""
        return self.points(maps).flatten(1)


class SimNorm(nn.Module):
    """Softmax over each group of 8 values of the maps, so that each group sums to 1 (Hansen et al. 2024, TD-MPC2).
    Nothing is learned.

    Args:
        channels, height, width: sizes of the maps; their product is a multiple of 8.

    Attributes:
        out: channels * height * width.
    """

    GROUP = 8

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.out = channels * height * width

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B, out): groups run along the rows of a map, as torch flattens them."""
        groups = maps.flatten(1).unflatten(1, (-1, self.GROUP))
        return groups.to(torch.promote_types(maps.dtype, torch.float32)).softmax(-1).flatten(1)


class FlatTrunk(nn.Module):
    """One Linear over all maps (Yarats et al. 2021), optionally with ReLU (as in Stable-Baselines3's NatureCNN).

    The maps are read in their memory layout, channels last, and so without a copy. `agent/accelerate.py` may let the
    Linear compute in bfloat16, like the convolutions before it.
    """

    def __init__(self, channels: int, height: int, width: int, out: int, relu: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(channels * height * width, out)
        self.relu = relu
        self.out = out
        self.in_bfloat16 = False

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, height, width) -> (B, out)."""
        with torch.autocast(maps.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            vector = self.linear(maps.permute(0, 2, 3, 1).flatten(1))
        vector = vector.to(self.linear.weight.dtype)
        return vector.relu() if self.relu else vector
