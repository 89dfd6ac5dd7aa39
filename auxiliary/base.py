"""The interface of auxiliary losses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from replay.batch import Batch


class Sizes(NamedTuple):
    """Sizes that an auxiliary loss is built for."""

    features: int  # image features of an encoder, which come first
    action: int  # A
    pixels: tuple[int, int, int]  # (H, W, C) of an observation's images, stacked


class Auxiliary(nn.Module):
    """Loss that is added to the critic's before their common `backward()`, so that it also trains the encoder.

    The critic's optimizer owns the parameters of the loss, at the encoder's learning rate. The loss is a submodule of
    the agent, and so is moved, saved and shared with the agent.

    Attributes:
        horizon: K, steps of `Batch.future` that the loss reads; 0 for none.
        generator: the agent's random generator, set by the agent and saved with it.
    """

    horizon: int = 0
    generator: torch.Generator

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, a scalar, and metrics, 0-d and detached.

        Args:
            features: (P, F), the batch's encoded observations, with gradient.
            batch: from the replay, with shifted images.
        """
        raise NotImplementedError

    def target_pairs(self) -> tuple[list[Tensor], list[Tensor]]:
        """Target parameters, polyak-averaged at each update, and the online parameters that they follow."""
        return [], []
