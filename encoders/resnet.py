"""ResNet, from images (N, 3, side, side) to features (N, F); parameters are named as torchvision names them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3 and 1x1, beside a shortcut (He et al. 2016).

    The 3x3 convolution of a bottleneck has the stride, as in torchvision (ResNet v1.5).
    """

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        basic = [(width, 3, stride), (width, 3, 1)]
        layers = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)] if bottleneck else basic
        self.count, self.out, channels = len(layers), layers[-1][0], inputs
        for number, (out, kernel, step) in enumerate(layers, 1):
            self.add_module(f"conv{number}", nn.Conv2d(channels, out, kernel, step, kernel // 2, bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(out))
            channels = out
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != self.out:
            shortcut = nn.Conv2d(inputs, self.out, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(self.out))

    def forward(self, inputs: Tensor) -> Tensor:
        maps = inputs
        for number in range(1, self.count + 1):
            convolution, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"bn{number}")
            maps = norm(convolution(maps.relu() if number > 1 else maps))
        return (maps + (inputs if self.downsample is None else self.downsample(inputs))).relu()


class ResNet(nn.Module):
    """ResNet up to the mean over the last maps (He et al. 2016), with an optional Linear after it.

    Args:
        blocks: in each of the four stages: (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) is 34 and, with bottlenecks, 50.
        bottleneck: the kind of block.
        outputs: width of the Linear "fc"; None for no Linear.

    Attributes:
        size: F.
    """

    def __init__(self, blocks: tuple[int, ...], bottleneck: bool, outputs: int | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for stage, count in enumerate(blocks):
            made: list[nn.Module] = []
            for number in range(count):
                stride = 2 if stage and not number else 1
                block = ResidualBlock(channels, 64 << stage, stride, bottleneck)
                made.append(block)
                channels = block.out
            self.add_module(f"layer{stage + 1}", nn.Sequential(*made))
        self.stages = len(blocks)
        self.fc = nn.Identity() if outputs is None else nn.Linear(channels, outputs)
        self.size = outputs or channels

    def forward(self, images: Tensor) -> Tensor:
        maps = F.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, 1)
        for stage in range(1, self.stages + 1):
            maps = self.get_submodule(f"layer{stage}")(maps)
        return self.fc(maps.mean((2, 3)))
