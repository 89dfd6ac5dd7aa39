"""The encoder of observations with images: pixels become features, and the vector is appended to them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from encoders.base import Encoder
from encoders.convolutions import Convolutions, PixelScale
from encoders.pooling import FlatTrunk, SimNorm, SpatialSoftmax
from replay.batch import Observation

TRUNK = 50  # features of the flat trunk (Yarats et al. 2021)
NATURE_TRUNK = 256  # features of NatureCNN for Dict observations in Stable-Baselines3's CombinedExtractor

Pooling = Literal["spatial-softmax", "flat", "relu", "simnorm"]


class PixelEncoder(Encoder):
    """Convolutions, pooling, optional LayerNorm and Tanh; the vector is appended to these image features.

    Family "nature" with pooling "relu", without `feature_norm` and in the "unit" scale, is the CombinedExtractor of
    Stable-Baselines3's MultiInputPolicy: NatureCNN with 256 features, the default for Dict observations (CnnPolicy, for
    images alone, has 512 features). SB3 concatenates in the order of names, whereas here the vector comes last; this
    only permutes the columns of the next layer.

    Args:
        family: a key of `families.FAMILIES`.
        pooling: "spatial-softmax" (2 features per map), "flat" (a Linear to 50), "relu" (a Linear to 256, then ReLU) or
            "simnorm" (all values of the maps, in groups that sum to 1).
        channels: image channels, 3 per camera and stacked frame.
        size: pixels per side.
        vector_size: V.
        feature_norm: LayerNorm and Tanh after the pooling.
        temperature: initial temperature of SpatialSoftmax.
        coord_conv: two channels of coordinates beside the images.
        pixel_scale: "centered", (pixels - 128) / 128, or "unit", pixels / 255.

    Attributes:
        feature_size: F, width of the output of `forward`.
    """

    def __init__(
        self,
        family: str,
        pooling: Pooling,
        channels: int,
        size: int,
        vector_size: int,
        *,
        feature_norm: bool = True,
        temperature: float = 1.0,
        coord_conv: bool = False,
        pixel_scale: PixelScale = "centered",
    ) -> None:
        super().__init__()
        self.convolutions = Convolutions(family, channels, size, coord_conv, pixel_scale)
        maps = self.convolutions.shape
        self.pooling: SpatialSoftmax | FlatTrunk | SimNorm
        if pooling == "spatial-softmax":
            self.pooling = SpatialSoftmax(*maps, temperature)
        elif pooling == "simnorm":
            self.pooling = SimNorm(*maps)
        else:
            self.pooling = FlatTrunk(*maps, NATURE_TRUNK if pooling == "relu" else TRUNK, relu=pooling == "relu")
        self.norm = nn.Sequential(nn.LayerNorm(self.pooling.out), nn.Tanh()) if feature_norm else nn.Identity()
        self.feature_size = self.pooling.out + vector_size
        self.chunk: int | None = None  # images at a time; `agent/accelerate.py` sets what fits a processor's cache

    def forward(self, obs: Observation) -> Tensor:
        """vector (P, V), pixels (P, size, size, channels) uint8 -> (P, F)."""
        pixels = obs["pixels"]
        parts = [self.norm(self.pooling(self.convolutions(part))) for part in pixels.split(self.chunk or len(pixels))]
        return torch.cat([torch.cat(parts), obs["vector"]], dim=-1)


def softmax_temperature(encoder: Encoder) -> float | None:
    """Temperature of the encoder's SpatialSoftmax; None if it has none."""
    pooling = encoder.pooling if isinstance(encoder, PixelEncoder) else None
    return pooling.log_temperature.exp().item() if isinstance(pooling, SpatialSoftmax) else None
