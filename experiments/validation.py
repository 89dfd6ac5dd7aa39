"""How often the rules of `experiments.diagnose` are right: on every committed run whose rows have the measures.

Each run is judged by its flat stretch alone, the rows before success first reaches 20%, as if success were still
awaited. A run has learned if its last two evaluations have at least 50% in the mean. A rule that says nothing of a run
is not counted.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.table import EXPERIMENTS
from training import logger, run_folder
from training.logger import Row
from training.verdict import Opinion, chapters_rule, flat_stretch, halves, signs_rule

LEARNED = 0.5
RULES = ("the chapter's rule", "signs")


class Judged(NamedTuple):
    name: str
    seed: int
    learned: bool
    flat_until: float  # step of the last row of the flat stretch
    surprise: tuple[float, float] | None  # TD loss of original goals, in both halves of the flat stretch
    opinions: dict[str, Opinion]  # by rule


def opinions_of(rows: Sequence[Row], best_return: float) -> dict[str, Opinion]:
    """Opinion of each rule on a run; `best_return` as for `signs_rule`."""
    return dict(zip(RULES, (chapters_rule(rows), signs_rule(rows, best_return)), strict=True))


def judged(results: Path) -> list[Judged]:
    """Judge all committed runs that have the measures. Raises UserError if a run's folder cannot be read."""
    found = []
    for folder in sorted(folder for name in EXPERIMENTS for folder in (results / name).glob("seed-*")):
        config, rows = run_folder.saved_config(folder), logger.read_rows(folder)
        if ":" in config.env_id:  # of a package that may not be installed
            continue
        low, high = config.reward_range
        if high - low == 1 and any("td_loss_original" in row for row in rows) and (flat := flat_stretch(rows)):
            last = statistics.fmean([row["eval_success"] for row in rows if "eval_success" in row][-2:])
            opinions = opinions_of(flat, high / (1 - config.gamma))
            surprise = halves(flat, "td_loss_original")
            found.append(Judged(folder.parent.name, config.seed, last >= LEARNED, flat[-1]["step"], surprise, opinions))
    return found


def errors(runs: Sequence[Judged], rule: str) -> tuple[int, int, int]:
    """Counts for a rule: failures called healthy, healthy runs called failing, and runs with an opinion."""
    spoken = [(run.learned, run.opinions[rule].learns) for run in runs if run.opinions[rule].learns is not None]
    return spoken.count((False, True)), spoken.count((True, False)), len(spoken)


def table(results: Path) -> list[str]:
    """Lines of a Markdown table: how often each rule is wrong; none without runs. Raises UserError as `judged` does."""
    runs = judged(results)
    lines = [
        "| rule | runs with an opinion | failures called healthy | healthy runs called failing |",
        "|---|---|---|---|",
    ]
    for rule in RULES:
        missed, alarms, spoken = errors(runs, rule)
        lines.append(f"| {rule} | {spoken} | {missed} | {alarms} |")
    return lines if runs else []
