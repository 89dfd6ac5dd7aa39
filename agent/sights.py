"""A minibatch's observations as they went through the encoders."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from encoders import Encoded
from replay.batch import Batch


class Sights(NamedTuple):
    """What critic and actor read of observations and of the next ones; the same tensors where they share an encoder."""

    critic: Encoded
    next_critic: Encoded  # for the target critic: by the target encoder, where there is one
    actor: Encoded
    next_actor: Encoded

    def detach(self) -> Sights:
        return Sights(*(encoded.detach() for encoded in self))


def tiled(features: Tensor, batch: Batch) -> Tensor:
    """Features of the pictures (P, F) for every goal of the batch (B, F): the b-th belongs to picture b mod P."""
    tiles = len(batch.goal) // len(features)
    return features if tiles == 1 else features.repeat(tiles, 1)
