"""A question of the chapter, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.chapter.book import BookCurve

OPEN = "open: no run of it is finished yet."


@dataclass(frozen=True)
class Question:
    """A step, table or sidebar of the chapter."""

    name: str
    title: str
    claim: str
    experiments: tuple[str, ...]  # that are compared; the first is what the claim is about
    change: str  # what to try to see for oneself
    book: tuple[BookCurve, ...] = ()
    # Confirmed, contradicted or open, with the reason and its weakness; {NAME:2} stands for that experiment's
    # success, in words that were chosen for two seeds.
    verdict: str = OPEN
    whose: str = "The chapter"  # claim
    unmatched: str = ""  # in what else the runs differ
