"""What an auxiliary loss has to offer."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from replay.batch import Batch


class Auxiliary(Protocol):
    """A loss that is added to the critic's before the one `backward()`.

    It is an `nn.Module` as well: the critic's optimizer owns its parameters, at the encoder's learning rate.
    """

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, a scalar, and metrics, 0-d and detached.

        Args:
            features: (P, F), the batch's observations encoded, with the encoder's gradient.
            batch: as the replay gave it.
        """
        ...
