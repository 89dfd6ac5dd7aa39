"""What the chapter reports of its own runs, as data: success while exploring, which is what SB3 logs.

Only what it says stands here. Of step 2 it says that it is one seed; of the others it does not say how many.
"""

from __future__ import annotations

from typing import NamedTuple


class BookPoint(NamedTuple):
    """A point of a curve of the chapter's."""

    steps: float  # environment steps
    low: float  # success while exploring, from ...
    high: float  # ... to


class Flat(NamedTuple):
    """Success that stayed between two values."""

    low: float
    high: float
    steps: float | None  # until when; None: the chapter does not say


class BookCurve(NamedTuple):
    """One of the chapter's runs: points, or a stretch without change."""

    name: str
    points: tuple[BookPoint, ...] = ()
    flat: Flat | None = None


def _points(*points: tuple[float, float, float]) -> tuple[BookPoint, ...]:
    """From (million steps, lowest percent, highest percent)."""
    return tuple(BookPoint(1e6 * millions, low / 100, high / 100) for millions, low, high in points)


NATURE = BookCurve("NatureCNN on pixels", flat=Flat(0.05, 0.08, 8e6))
EYES = BookCurve("the new encoder, SB3's routing", flat=Flat(0.02, 0.14, None))
FLOW = BookCurve(  # at 2M it was resumed with an empty replay; there the chapter has 6% in one place and 10% in another
    "the new encoder, trained by the critic (1 seed)",
    _points((1.4, 6, 7), (2, 6, 10), (2.44, 25, 34), (2.73, 70, 70), (4, 90, 90), (4.2, 95, 95)),
)
STATE = BookCurve("Push from state", _points((1.28, 14, 14), (1.52, 52, 52), (1.64, 77, 77), (1.84, 90, 90)))
SHIFTED = BookCurve("with random shifts; replay 200K, k 4", flat=Flat(0.03, 0.06, 1.54e6))
BLIND = BookCurve("16 numbers, no pixels", flat=Flat(0.0, 0.0, 1.67e6))
