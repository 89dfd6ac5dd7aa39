"""The interface of encoders."""

from __future__ import annotations

from torch import Tensor, nn

from replay.batch import Observation


class Encoder(nn.Module):
    """Map observations by name to features (P, feature_size); the last features are the normalised vector, if read.

    Agents from state have an encoder too, so that gradient routing is written once.
    """

    feature_size: int

    def forward(self, obs: Observation) -> Tensor:
        raise NotImplementedError
