"""Whether a run whose success is still flat is learning."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from training.logger import Row

FLAT = 0.2  # success below it is flat
LEAST_CHANGE = 0.05  # relative change of a loss that counts
LEAST_ROWS = 6  # of a flat stretch that is judged
# Thresholds of the signs. TD loss of original goals in the second half of a flat stretch, in squared rewards of a step:
# it is high, or it is not low and has risen since the first half. Dormant: fraction of the critics' units.
# How often the signs are wrong: `python -m experiments.diagnose --validate`.
HIGH_SURPRISE = 0.2
LEAST_SURPRISE = 0.07
LEAST_RISE = 1.5  # times the first half's
MOST_DORMANT = 0.5

PATIENCE = 0.5  # of the budget, before a run is called hopeless


class Opinion(NamedTuple):
    """Whether a run learns, None if a rule cannot tell; and the reason."""

    learns: bool | None
    why: str


def flat_stretch(rows: Sequence[Row]) -> list[Row]:
    """Rows with updates before success, exploring or evaluated, first reaches FLAT."""
    flat: list[Row] = []
    for row in rows:
        if max(row.get(name, 0.0) for name in ("success_rolling", "eval_success")) >= FLAT:
            break
        if "critic_loss" in row:
            flat.append(row)
    return flat


def halves(rows: Sequence[Row], column: str) -> tuple[float, float] | None:
    """Means of a column over the first and second half of the flat stretch; None where too few rows have it."""
    values = [row[column] for row in flat_stretch(rows) if column in row]
    half = len(values) // 2
    return (statistics.fmean(values[:half]), statistics.fmean(values[half:])) if len(values) >= LEAST_ROWS else None


def chapters_rule(rows: Sequence[Row]) -> Opinion:
    """Apply the chapter's rule: while success is flat, a falling critic loss is failure and a rising one is health.
    Compares the last quarter of the flat stretch with the quarter before."""
    losses = [row["critic_loss"] for row in flat_stretch(rows)]
    if len(losses) < LEAST_ROWS:
        return Opinion(None, "success was flat for too few rows")
    quarter = len(losses) // 4
    before, late = statistics.fmean(losses[-2 * quarter : -quarter]), statistics.fmean(losses[-quarter:])
    change = late / before - 1 if before else 0.0
    said = f"critic loss {before:.3g} -> {late:.3g} ({change:+.0%}) over the last two quarters of the flat stretch"
    return Opinion(None if abs(change) < LEAST_CHANGE else change > 0, said)


def signs_rule(rows: Sequence[Row], best_return: float) -> Opinion:
    """Look for three signs of a run that does not learn, in the second half of its flat stretch. For rewards that
    differ by 1.

    - The critic is not surprised: the TD loss of original goals, `td_loss_original`, is neither high nor clearly higher
      than in the first half. If the policy begins to reach goals now and then, each of them surprises the critic, long
      before success shows it. If no goal is ever reached, Q becomes the same for all goals, and its loss falls.
    - Most of the critics' units are dormant: the learning rate has broken them.
    - Q lies above what rewards allow: the entropy bonus outweighs them, and the policy is random.

    Args:
        rows: of metrics.csv.
        best_return: the highest discounted return that rewards allow, `highest / (1 - gamma)`.
    """
    surprises, dormants, qs = (halves(rows, name) for name in ("td_loss_original", "dormant_units", "q"))
    if surprises is None or dormants is None or qs is None:
        return Opinion(None, "success was flat for too few rows, or they lack the measures")
    (before, surprise), dormant, q = surprises, dormants[1], qs[1]
    if dormant > MOST_DORMANT:
        return Opinion(False, f"{dormant:.0%} of the critics' units are dormant")
    if q > best_return:
        return Opinion(False, f"Q is {q:.1f}, and rewards alone come to at most {best_return:.1f}")
    return Opinion(
        surprise >= HIGH_SURPRISE or (surprise >= LEAST_SURPRISE and surprise >= LEAST_RISE * before),
        f"TD loss of original goals {before:.2f} -> {surprise:.2f} while success was flat; in runs that learned it was "
        f"{HIGH_SURPRISE} or more, or {LEAST_SURPRISE} or more and {LEAST_RISE} times as high as before",
    )


def hopeless(rows: Sequence[Row], total_steps: int, best_return: float) -> str:
    """Reason to end a run after half of its budget; empty unless success has been flat up to now and `signs_rule` says
    that the run fails."""
    flat = flat_stretch(rows)
    if not flat or flat[-1] is not rows[-1] or rows[-1]["step"] < PATIENCE * total_steps:
        return ""
    opinion = signs_rule(rows, best_return)
    return opinion.why if opinion.learns is False else ""
