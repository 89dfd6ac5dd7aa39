"""The encoder of observations that are vectors already: nothing to learn, features are the vector."""

from __future__ import annotations

from torch import Tensor, nn

from encoders.encoded import Encoded


class VectorEncoder(nn.Module):
    """(B, V) -> (B, V), without parameters.

    It keeps the place of an encoder in the agent, so that the gradient's way is written once for vectors and pixels.
    """

    def __init__(self, vector_size: int) -> None:
        super().__init__()
        self.feature_size = vector_size

    def forward(self, vector: Tensor, pixels: None = None) -> Encoded:
        return Encoded(vector)
