"""Whether a run whose success is still flat is learning."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from training.logger import Row

FLAT = 0.2  # success below it is flat
LEAST_CHANGE = 0.05  # relative change of a loss that counts
LEAST_ROWS = 6  # of a flat stretch that is judged
# Squared rewards of a step. Lower than what all runs had that learned later, higher than all that did not:
# `python -m experiments.diagnose --validate`.
LEAST_SURPRISE = 0.16


PATIENCE = 0.5  # of the budget, before a run is called hopeless


class Opinion(NamedTuple):
    """Whether a run learns; None if a rule says nothing of it."""

    learns: bool | None
    why: str


def flat_stretch(rows: Sequence[Row]) -> list[Row]:
    """The rows with updates, up to the one in which success, exploring or evaluated, first passes FLAT."""
    flat: list[Row] = []
    for row in rows:
        if max(row.get(name, 0.0) for name in ("success_rolling", "eval_success")) >= FLAT:
            break
        if "critic_loss" in row:
            flat.append(row)
    return flat


def later_half(rows: Sequence[Row], column: str) -> float | None:
    """Mean of a column over the second half of the flat stretch; None where too few rows have it."""
    values = [row[column] for row in flat_stretch(rows) if column in row]
    return statistics.fmean(values[len(values) // 2 :]) if len(values) >= LEAST_ROWS else None


def chapters_rule(rows: Sequence[Row]) -> Opinion:
    """The chapter's: while success is flat, a falling critic loss is failure and a rising one is health. Here: in the
    last quarter of the flat stretch against the quarter before."""
    losses = [row["critic_loss"] for row in flat_stretch(rows)]
    if len(losses) < LEAST_ROWS:
        return Opinion(None, "success was flat for too few rows")
    quarter = len(losses) // 4
    before, late = statistics.fmean(losses[-2 * quarter : -quarter]), statistics.fmean(losses[-quarter:])
    change = late / before - 1 if before else 0.0
    said = f"critic loss {before:.3g} -> {late:.3g} ({change:+.0%}) over the last two quarters of the flat stretch"
    return Opinion(None if abs(change) < LEAST_CHANGE else change > 0, said)


def surprise_rule(rows: Sequence[Row]) -> Opinion:
    """A critic that goals asked for no longer surprise has learned that they are never reached.

    The TD loss of original goals, `td_loss_original`, in the second half of the flat stretch: where the policy begins
    to reach goals now and then, each of them is news to the critic, long before success shows it. Where nothing is
    reached, Q becomes the same for all, and its loss falls. For rewards that differ by 1, as of sparse tasks.
    """
    surprise = later_half(rows, "td_loss_original")
    if surprise is None:
        return Opinion(None, "success was flat for too few rows, or they lack the measures")
    said = f"TD loss of original goals {surprise:.2f} while success was flat; {LEAST_SURPRISE} or more where runs learn"
    return Opinion(surprise >= LEAST_SURPRISE, said)


def hopeless(rows: Sequence[Row], total_steps: int) -> str:
    """Why a run that has come through half of its budget is not worth the rest; empty unless success has been flat up
    to now and `surprise_rule` says that it fails."""
    flat = flat_stretch(rows)
    if not flat or flat[-1] is not rows[-1] or rows[-1]["step"] < PATIENCE * total_steps:
        return ""
    opinion = surprise_rule(rows)
    return opinion.why if opinion.learns is False else ""
