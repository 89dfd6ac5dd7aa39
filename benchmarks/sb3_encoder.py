"""Encoders of SB3's side: the chapter's, in float32 and channels first as is usual there, and SB3's own."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor
from torch import Tensor, nn

from envs.rendering.cameras import PIXELS

CHANNELS = 32
STRIDES = (2, 1, 1, 2)


class Manipulation(BaseFeaturesExtractor):
    """Four 3x3 convolutions, SpatialSoftmax, LayerNorm and Tanh; the vectors are appended.

    (B, 12, 84, 84) of pixels / 255, (B, 10), (B, 3), (B, 3) -> (B, 80).
    """

    positions: Tensor  # (height * width, 2)

    def __init__(self, observation_space: spaces.Dict) -> None:
        channels, height, width = observation_space[PIXELS].shape  # type: ignore[misc]
        self.vectors = [name for name in observation_space.spaces if name != PIXELS]
        numbers = sum(spaces.flatdim(observation_space[name]) for name in self.vectors)
        super().__init__(observation_space, 2 * CHANNELS + numbers)
        layers: list[nn.Module] = []
        for stride in STRIDES:
            layers += [nn.Conv2d(channels, CHANNELS, 3, stride, padding=1), nn.ReLU()]
            channels, height, width = CHANNELS, (height - 1) // stride + 1, (width - 1) // stride + 1
        self.convolutions = nn.Sequential(*layers)
        self.log_temperature = nn.Parameter(torch.zeros(()))
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        self.register_buffer("positions", torch.stack([x.flatten(), y.flatten()], dim=1))
        self.norm = nn.Sequential(nn.LayerNorm(2 * CHANNELS), nn.Tanh())

    def forward(self, observations: dict[str, Any]) -> Tensor:
        maps = self.convolutions(observations[PIXELS]).flatten(2)
        points = (maps / self.log_temperature.exp()).softmax(-1) @ self.positions
        return torch.cat([self.norm(points.flatten(1)), *(observations[name] for name in self.vectors)], dim=1)


def stock(observation_space: spaces.Dict) -> CombinedExtractor:
    """Default extractor of MultiInputPolicy: NatureCNN, 256 features from images, and the vectors beside them."""
    return CombinedExtractor(observation_space)


def features(extractor: BaseFeaturesExtractor, observations: dict[str, Tensor]) -> Tensor:
    """Features (B, F) of raw observations, images uint8 (B, channels, height, width), as a policy's `extract_features`
    makes them."""
    return extractor(preprocess_obs(observations, extractor._observation_space))
