"""A minibatch's observations as they went through the encoders."""

from __future__ import annotations

from typing import NamedTuple

from encoders import Encoded


class Sights(NamedTuple):
    """What critic and actor read of observations and of the next ones; the same tensors where they share an encoder."""

    critic: Encoded
    next_critic: Encoded  # for the target critic: by the target encoder, where there is one
    actor: Encoded
    next_actor: Encoded

    def detach(self) -> Sights:
        return Sights(*(encoded.detach() for encoded in self))
