"""Auxiliary losses that train the encoder beside the critic's, one per file; the critic's optimizer owns them."""

from __future__ import annotations

from collections.abc import Sequence

from auxiliary.autoencoder import Autoencoder
from auxiliary.base import Auxiliary, Sizes
from auxiliary.curl import Curl
from auxiliary.goal_regression import GoalInput, GoalRegression
from auxiliary.spr import SPR

__all__ = ["AUXILIARIES", "Auxiliary", "GoalInput", "GoalRegression", "Sizes", "weights"]

# Losses that `--auxiliary` names, each built from (encoder, sizes, weight). The goal regression has flags of its own,
# because actor and critic may read its estimate.
AUXILIARIES: dict[str, type[Auxiliary]] = {
    "curl": Curl,
    "spr": SPR,
    "autoencoder": Autoencoder,
}


def weights(words: Sequence[str]) -> dict[str, float]:
    """Weight of each loss, parsed from words such as "curl" (weight 1) and "spr=0.5".

    Raises ValueError, with a sentence, for an unknown loss, a repeated loss, or an invalid weight.
    """
    found: dict[str, float] = {}
    for word in words:
        name, given, number = word.partition("=")
        if name not in AUXILIARIES:
            own = "goal-regression is --goal-loss WEIGHT" if name == "goal-regression" else f"there is no loss {name!r}"
            raise ValueError(f"{own}: name some of {', '.join(AUXILIARIES)}, apart, as in --auxiliary curl spr=0.5.")
        if name in found:
            raise ValueError(f"{name} is there twice: name it once.")
        try:
            found[name] = float(number) if given else 1.0
        except ValueError:
            found[name] = 0.0
        if not 0 < found[name] <= 1e6:
            raise ValueError(f"the weight in {word!r} must be a number above 0 and at most 1e+06, as in {name}=0.5.")
    return found
