"""The encoder of observations with pictures: pixels become features, and the vector is appended to them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from encoders.convolutions import Convolutions, PixelScale
from encoders.encoded import Encoded
from encoders.heads import FlatTrunk, SpatialSoftmax

TRUNK = 50  # features of the flat trunk (Yarats et al. 2021)
NATURE_TRUNK = 256  # of NatureCNN for a Dict of observations in Stable-Baselines3 (CombinedExtractor's cnn_output_dim)
GOAL_WIDTH = 128  # hidden units of the goal head

Head = Literal["spatial-softmax", "flat", "relu"]
GoalInput = Literal["off", "beside", "instead"]


class PixelEncoder(nn.Module):
    """Convolutions, a head, LayerNorm and Tanh if wanted, then the vector beside what they make of the pictures.

    Family "nature" with head "relu", without `feature_norm` and in the "unit" scale, is the CombinedExtractor of
    Stable-Baselines3's MultiInputPolicy: NatureCNN with 256 features, its default for a Dict of observations (for
    images alone, in CnnPolicy, it is 512: another network). Where it concatenates in the order of names, vectors come
    last here: that only reorders the columns of the next layer.

    Args:
        family: of `convolutions.FAMILIES`.
        head: "spatial-softmax" (2 numbers a map), "flat" (a Linear to 50) or "relu" (a Linear to 256, then ReLU).
        channels: of the pictures: 3 for each camera and stacked frame.
        size: pixels a side.
        vector_size: V.
        feature_norm: LayerNorm and Tanh after the head.
        coord_conv: two channels of coordinates beside the pictures.
        pixel_scale: "centered", (pixels - 128) / 128, or "unit", pixels / 255.
        goal_size: G, of a head that regresses the achieved goal from the features; 0 for none.
        goal_input: whether its estimate stands "beside" the features that `forward` returns, "instead" of those that
            the pictures gave, or is kept out of them ("off").

    Attributes:
        feature_size: F, numbers in what `forward` returns.
    """

    def __init__(
        self,
        family: str,
        head: Head,
        channels: int,
        size: int,
        vector_size: int,
        *,
        feature_norm: bool = True,
        coord_conv: bool = False,
        pixel_scale: PixelScale = "centered",
        goal_size: int = 0,
        goal_input: GoalInput = "off",
    ) -> None:
        super().__init__()
        self.convolutions = Convolutions(family, channels, size, coord_conv, pixel_scale)
        maps = self.convolutions.shape
        if head == "spatial-softmax":
            self.head: SpatialSoftmax | FlatTrunk = SpatialSoftmax(*maps)
        else:
            self.head = FlatTrunk(*maps, NATURE_TRUNK if head == "relu" else TRUNK, relu=head == "relu")
        self.norm = nn.Sequential(nn.LayerNorm(self.head.out), nn.Tanh()) if feature_norm else nn.Identity()
        seen = self.head.out + vector_size
        self.goal_head = (
            nn.Sequential(nn.Linear(seen, GOAL_WIDTH), nn.ReLU(), nn.Linear(GOAL_WIDTH, goal_size))
            if goal_size
            else None
        )
        self.goal_input = goal_input
        self.feature_size = {
            "off": seen,
            "beside": seen + goal_size,
            "instead": vector_size + goal_size,
        }[goal_input]
        self.chunk: int | None = None  # pictures at a time; `agent/accelerate.py` sets what fits a processor's cache

    def forward(self, vector: Tensor, pixels: Tensor) -> Encoded:
        """(B, V), uint8 (B, size, size, channels) -> features (B, F), estimate (B, G)."""
        parts = [self.norm(self.head(self.convolutions(part))) for part in pixels.split(self.chunk or len(pixels))]
        features = torch.cat([torch.cat(parts), vector], dim=-1)
        if self.goal_head is None:
            return Encoded(features)
        estimate = self.goal_head(features)
        if self.goal_input == "beside":
            features = torch.cat([features, estimate.detach()], dim=-1)
        elif self.goal_input == "instead":
            features = torch.cat([vector, estimate.detach()], dim=-1)
        return Encoded(features, estimate)
