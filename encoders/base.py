"""What an encoder is."""

from __future__ import annotations

from torch import Tensor, nn

from replay.batch import Observation


class Encoder(nn.Module):
    """Observations by name -> features (P, feature_size); the normalised vector, if it is read, makes the last of them.

    It has a place in the agent from state too, so that the gradient's way is written once.
    """

    feature_size: int

    def forward(self, obs: Observation) -> Tensor:
        raise NotImplementedError
