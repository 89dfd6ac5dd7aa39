"""What the chapter reports of its own runs, as data: success while exploring, which is what SB3 logs."""

from __future__ import annotations

from typing import NamedTuple


class BookPoint(NamedTuple):
    """A point of a curve of the chapter's."""

    steps: float  # environment steps
    low: float  # success while exploring, from ...
    high: float  # ... to


class BookCurve(NamedTuple):
    """One of the chapter's runs. Each is of one seed."""

    name: str
    points: tuple[BookPoint, ...]
    note: str


def _curve(name: str, note: str, *points: tuple[float, float, float]) -> BookCurve:
    """Points as (million steps, lowest percent, highest percent)."""
    return BookCurve(name, tuple(BookPoint(1e6 * m, low / 100, high / 100) for m, low, high in points), note)


NATURE = _curve("NatureCNN on pixels", "flat to 8M steps", (1, 5, 8), (4, 5, 8), (8, 5, 8))
EYES = _curve("the new encoder, SB3's routing", "flat", (0.5, 2, 14), (1, 2, 14), (2, 2, 14))
FLOW = _curve(
    "the new encoder, trained by the critic", "resumed with an empty replay at 2M",
    (0.5, 6, 7), (1.4, 6, 7), (2, 10, 10), (2.44, 25, 34), (2.73, 70, 70), (4, 90, 90), (4.2, 95, 95),
)  # fmt: skip
STATE = _curve(
    "Push from state", "", (0.5, 2, 8), (1.28, 14, 14), (1.52, 52, 52), (1.64, 77, 77), (1.84, 90, 90)
)  # fmt: skip
SHIFTED = _curve(
    "with random shifts", "stopped at 1.54M; replay 200K in place of 500K, k 4 in place of 8",
    (0.5, 3, 6), (1, 3, 6), (1.54, 3, 6),
)  # fmt: skip
BLIND = _curve("16 numbers, no pixels", "read as a POMDP that cannot be solved", (0.8, 0, 0), (1.67, 0, 0))
