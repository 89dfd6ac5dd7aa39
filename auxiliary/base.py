"""What an auxiliary loss has to offer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from replay.batch import Batch


class Sizes(NamedTuple):
    """What an auxiliary loss is built for."""

    features: int  # of an encoder's features, those of the images, which come first
    action: int  # A
    pixels: tuple[int, int, int]  # (H, W, C) of an observation's images, stacked


class Auxiliary(nn.Module):
    """A loss that is added to the critic's before the one `backward()`, so that it trains the encoder too.

    Its own parameters are in the critic's optimizer, at the encoder's learning rate. The agent holds it: what is moved,
    saved or shared of the agent is moved, saved and shared of it.

    Attributes:
        horizon: K, how much of `Batch.future` it reads; 0 for none.
        generator: the agent's random numbers, which are saved with it; set by the agent.
    """

    horizon: int = 0
    generator: torch.Generator

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, a scalar, and metrics, 0-d and detached.

        Args:
            features: (P, F), the batch's observations encoded, with the encoder's gradient.
            batch: as the replay gave it, its images shifted.
        """
        raise NotImplementedError

    def target_pairs(self) -> tuple[list[Tensor], list[Tensor]]:
        """Parameters of its own that follow others by polyak averaging at each update, and those others."""
        return [], []
