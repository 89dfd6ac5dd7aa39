"""What an encoder returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Encoded(NamedTuple):
    """Observations as actor and critic read them.

    `estimate` is where a goal head believes the achieved goal to be, in the normaliser's units and with its gradient;
    None without such a head. What of it stands among the features is detached.
    """

    features: Tensor  # (B, F)
    estimate: Tensor | None = None  # (B, G)

    def detach(self) -> Encoded:
        return Encoded(self.features.detach(), None if self.estimate is None else self.estimate.detach())
