"""MobileNetV2, from images (N, 3, side, side) to features (N, F).

Parameters are named as in its first implementation in PyTorch; `first_names` translates torchvision's names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def convolved(inputs: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution, BatchNorm and ReLU6, MobileNetV2's layer."""
    convolution = nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU6()]


class InvertedResidual(nn.Module):
    """Widen by 1x1, convolve each channel by 3x3, narrow by 1x1 without ReLU (Sandler et al. 2018)."""

    def __init__(self, inputs: int, out: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = widening * inputs
        layers = convolved(inputs, wide) if widening > 1 else []
        layers += [*convolved(wide, wide, 3, stride, groups=wide), *convolved(wide, out)[:2]]
        self.conv, self.residual = nn.Sequential(*layers), stride == 1 and inputs == out

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv(maps) if self.residual else self.conv(maps)


class MobileNetV2(nn.Module):
    """MobileNetV2 up to the mean over the last maps (Sandler et al. 2018)."""

    size = 1280  # F
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*convolved(3, 32, 3, 2))]
        channels = 32
        for widening, out, count, stride in self.STAGES:
            for number in range(count):
                layers.append(InvertedResidual(channels, out, 1 if number else stride, widening))
                channels = out
        self.features = nn.Sequential(*layers, nn.Sequential(*convolved(channels, self.size)))

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images).mean((2, 3))


def untrained() -> MobileNetV2:
    """MobileNetV2 before any training, always the same. Its BatchNorms are as they start, and do nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = MobileNetV2()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)  # by fan-in, so that 50 layers keep the scale
    return network


def first_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's weights of MobileNetV2 ("conv.1.0" in a block) as in the first implementation ("conv.3");
    leave weights that have the latter names unchanged."""
    if "features.1.conv.0.0.weight" not in weights:
        return dict(weights)

    def renamed(name: str) -> str:
        if nested := re.fullmatch(r"(features\.\d+\.conv)\.(\d)\.(\d)\.(.+)", name):
            block, layer, part, rest = nested.groups()
            return f"{block}.{3 * int(layer) + int(part)}.{rest}"
        if flat := re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(.+)", name):
            block, layer, rest = flat.groups()
            return f"features.{block}.conv.{int(layer) + (2 if block == '1' else 4)}.{rest}"
        return name

    return {renamed(name): value for name, value in weights.items()}
