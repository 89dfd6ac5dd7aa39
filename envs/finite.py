"""Check that environments return finite numbers: a single NaN would spoil the normalisers or the replay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LARGEST = float(np.finfo(np.float32).max)  # networks and replay compute in float32


class NotFinite(ArithmeticError):
    """An environment returned NaN, infinity, or a number beyond float32; the message has the number, key and row."""


def check_finite(env_id: str, when: str, numbers: Mapping[str, np.ndarray]) -> None:
    """Raise NotFinite for the first number that is not finite or exceeds float32.

    Args:
        env_id: for the message.
        when: for the message: "at a step".
        numbers: numpy arrays by name (no GPU to wait for), (N, ...), one row per environment or transition.
    """
    # All arrays at once, for a few microseconds per step. Any comparison with NaN is false.
    if np.abs(np.concatenate(list(numbers.values()), axis=None)).max() <= LARGEST:
        return
    for name, values in numbers.items():
        for at in np.argwhere(~(np.abs(values) <= LARGEST))[:1]:
            raise NotFinite(
                f"{env_id} returned {name}[{', '.join(map(str, at))}] = {values[tuple(at)]} {when}: every number has "
                "to be finite, and within float32; mend the environment, or wrap it"
            )
