"""The encoder of observations that are vectors already."""

from __future__ import annotations

from torch import Tensor

from encoders.base import Encoder
from replay.batch import Observation


class VectorEncoder(Encoder):
    """The vector (P, V) itself is the features: nothing to learn."""

    def __init__(self, vector_size: int) -> None:
        super().__init__()
        self.feature_size = vector_size

    def forward(self, obs: Observation) -> Tensor:
        return obs["vector"]
