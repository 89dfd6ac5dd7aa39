"""What an auxiliary loss has to offer."""

from __future__ import annotations

from torch import Tensor, nn

from replay.batch import Batch


class Auxiliary(nn.Module):
    """A loss that is added to the critic's before the one `backward()`, so that it trains the encoder too.

    Its own parameters are in the critic's optimizer, at the encoder's learning rate. The agent holds it: what is moved,
    saved or shared of the agent is moved, saved and shared of it.

    Attributes:
        horizon: K, how much of `Batch.future` it reads; 0 for none.
    """

    horizon: int = 0

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, a scalar, and metrics, 0-d and detached.

        Args:
            features: (P, F), the batch's observations encoded, with the encoder's gradient.
            batch: as the replay gave it, its images shifted.
        """
        raise NotImplementedError
