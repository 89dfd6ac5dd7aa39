"""ResNet, MobileNetV2 and the vision transformer, from images (N, 3, side, side) to features (N, F).

Their parameters have the names that published weights give them: torchvision's ResNet, the first MobileNetV2 in PyTorch
(`encoders/published.py` translates torchvision's), and the masked autoencoder's vision transformer.
"""

from __future__ import annotations

import torch
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


class Attention(nn.Module):
    """Self-attention with heads of 64 numbers (Vaswani et al. 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.proj = width // 64, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, width)."""
        parts = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, N, heads, T, 64)
        mixed = F.scaled_dot_product_attention(*parts.unbind(0))
        return self.proj(mixed.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Attention, then two Linears with GELU, each on normalised tokens and beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))


class VisionTransformer(nn.Module):
    """Vision transformer on patches of 16x16, up to its class token after the last norm (Dosovitskiy et al. 2021).

    Args:
        width: numbers per token: 768 is ViT-B, 1024 ViT-L.
        depth: blocks: 12, 24.

    Attributes:
        size: F, the width.
    """

    PATCHES = 14  # per side of an image of 224 pixels

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.size = width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.PATCHES**2, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, 16, 16)})
        self.blocks = nn.Sequential(*(TransformerBlock(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)  # (N, 196, width)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], dim=1) + self.pos_embed
        return self.norm(self.blocks(tokens))[:, 0]
