"""How often the rules of `experiments.diagnose` are right: on every committed run, at moments when success was flat.

Each run is judged after a quarter, three eighths and half of its budget, by the rows up to then, if its success had not
yet reached 20%. A run has learned if it succeeds in at least half of the episodes after training. A rule that says
nothing of a run is not counted.

The thresholds of the signs were chosen with the runs of FITTED in sight; the others came later.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import evidence
from experiments.table import EXPERIMENTS
from training.config.flags import Config
from training.logger import Row
from training.verdict import PATIENCE, Opinion, chapters_rule, flat_stretch, halves, hopeless, signs_rule

LEARNED = 0.5
MOMENTS = (0.25, 0.375, 0.5)  # fractions of the budget
RULES = ("the chapter's rule", "signs")
MEASURES = (
    "critic_loss", "td_loss_original", "td_loss_relabelled", "explained_variance", "action_gap", "goal_gap",
    "dormant_units", "readout_cm", "q", "entropy",
)  # fmt: skip
FITTED = "signs-fitted-on.csv"  # among the results: experiment, seed


class Run(NamedTuple):
    """A committed run whose rewards differ by 1."""

    name: str
    config: Config
    rows: list[Row]
    learned: bool
    fitted: bool  # in sight when the thresholds were chosen


class Judged(NamedTuple):
    """A run at a moment when its success was flat."""

    run: Run
    moment: float  # fraction of the budget
    flat: list[Row]  # rows with updates up to then
    opinions: dict[str, Opinion]  # by rule


def opinions_of(rows: Sequence[Row], best_return: float) -> dict[str, Opinion]:
    """Opinion of each rule on a run; `best_return` as for `signs_rule`."""
    return dict(zip(RULES, (chapters_rule(rows), signs_rule(rows, best_return)), strict=True))


def committed(results: Path) -> Iterator[Run]:
    """Yield all committed runs with the environment's rewards, if these differ by 1. Raises UserError if a run's folder
    cannot be read."""
    fitted: set[tuple[str, str]] = set()
    if (results / FITTED).is_file():
        with (results / FITTED).open(newline="") as file:
            fitted = {(row["experiment"], row["seed"]) for row in csv.DictReader(file)}
    for name in EXPERIMENTS:
        there = evidence.seed_folders(results, name)
        for result in evidence.read(results, name) if there else ():
            config, rows = result.config, result.rows
            if ":" in config.env_id:  # of a package that may not be installed
                continue
            if config.goals != "environment":  # paid for something else than success
                continue
            low, high = config.reward_range
            if high - low == 1:
                learned = result.final["success_rate"] >= LEARNED
                yield Run(name, config, rows, learned, (name, str(config.seed)) in fitted)


def flat_at(run: Run, moment: float) -> list[Row]:
    """Rows with updates up to a moment; none if success was no longer flat then."""
    rows = [row for row in run.rows if row["step"] <= moment * run.config.total_steps]
    flat = flat_stretch(rows)
    return flat if flat and flat[-1] is rows[-1] else []


def judged(runs: Sequence[Run]) -> list[Judged]:
    """Judge each run at each of the MOMENTS at which its success was flat."""
    found = []
    for run in runs:
        for moment in MOMENTS:
            if flat := flat_at(run, moment):
                found.append(Judged(run, moment, flat, opinions_of(flat, run.config.best_return)))
    return found


def errors(cases: Sequence[Judged], rule: str) -> tuple[int, int, int]:
    """Counts for a rule: failures called healthy, healthy runs called failing, and runs with an opinion."""
    spoken = [(one.run.learned, one.opinions[rule].learns) for one in cases if one.opinions[rule].learns is not None]
    return spoken.count((False, True)), spoken.count((True, False)), len(spoken)


def stopped(run: Run) -> bool:
    """Whether `--stop-rule` would have ended the run at an evaluation before its budget was spent."""
    budget, rows = run.config.total_steps, run.rows
    if not flat_at(run, PATIENCE):  # nor later
        return False
    ends = [end for end, row in enumerate(rows, 1) if "eval_success" in row and row["step"] < budget]
    return any(hopeless(rows[:end], budget, run.config.best_return) for end in ends)


def separation(cases: Sequence[Judged], measure: str) -> tuple[int, int, float]:
    """How well a measure separates runs that learned from those that failed: counts of both, and the probability that
    the measure rose more in one that learned than in one that failed (area under the ROC curve); NaN without either.

    Its rise is the difference between the means of the second and the first half of the flat stretch.
    """
    rises: dict[bool, list[float]] = {True: [], False: []}
    for one in cases:
        if (means := halves(one.flat, measure)) is not None:
            rises[one.run.learned].append(means[1] - means[0])
    learned, failed = rises[True], rises[False]
    above = sum((a > b) + 0.5 * (a == b) for a in learned for b in failed)
    return len(learned), len(failed), above / (len(learned) * len(failed)) if learned and failed else math.nan


# ---------------------------------------------------------------------- tables


def counted(cases: Sequence[Judged], rule: str) -> str:
    """A cell: how often the rule is wrong, of how many, and in which way."""
    missed, alarms, spoken = errors(cases, rule)
    return f"{missed + alarms} of {spoken} ({missed}, {alarms})"


def table(results: Path) -> list[str]:
    """Markdown: how often each rule is wrong, what `--stop-rule` would have ended, and what each measure tells; nothing
    without runs. Raises UserError as `committed` does."""
    runs = list(committed(results))
    cases = judged(runs)
    if not cases:
        return []
    lines = [
        f"| after | runs still flat | of which learned | {RULES[0]} | {RULES[1]}, runs fitted on | later runs |",
        "|---|---|---|---|---|---|",
    ]
    for moment in MOMENTS:
        at = [one for one in cases if one.moment == moment]
        groups = [[one for one in at if one.run.fitted is fitted] for fitted in (True, False)]
        cells = [f"{moment:.1%}", str(len(at)), str(sum(one.run.learned for one in at)), counted(at, RULES[0]),
                 *(counted(group, RULES[1]) for group in groups)]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    everywhere = {rule: errors(cases, rule) for rule in RULES}
    ended = [run for run in runs if stopped(run)]
    still = [run for run in runs if run.learned and flat_at(run, PATIENCE)]
    lost = [f"{run.name} seed {run.config.seed}" for run in ended if run.learned]
    return [
        *lines, "",
        "A cell: wrong of all with an opinion; in brackets failures called healthy, and healthy runs called failing. "
        "At all moments together, where a run counts once a moment: "
        + "; ".join(
            f"{rule}, wrong for {missed + alarms} of {spoken}" for rule, (missed, alarms, spoken) in everywhere.items()
        )
        + ".",
        "",
        f"`--stop-rule` would have ended {len(ended) - len(lost)} of the {sum(not run.learned for run in runs)} runs "
        f"that failed, and {len(lost)} of the {sum(run.learned for run in runs)} that learned"
        f"{': ' * bool(lost)}{', '.join(lost)}. Of the latter it could end only the {len(still)} that were still flat "
        f"at {PATIENCE:.0%} of their budget; {sum(not run.fitted for run in still)} of these came after the signs were "
        "fitted.",
        "",
        *measures(cases),
    ]  # fmt: skip


def measures(cases: Sequence[Judged]) -> list[str]:
    """Markdown: how well each measure separates the two kinds of runs, at each moment."""
    lines = [
        "How often a measure rose more in a run that learned than in one that failed, while both were flat (50% says "
        "nothing, 0% that it fell more); in brackets the runs that learned and failed:", "",
        f"| measure | {' | '.join(f'after {moment:.1%}' for moment in MOMENTS)} |",
        f"|---|{'---|' * len(MOMENTS)}",
    ]  # fmt: skip
    for measure in MEASURES:
        found = [separation([one for one in cases if one.moment == moment], measure) for moment in MOMENTS]
        cells = [f"{auc:.0%} ({learned}, {failed})" if auc == auc else "-" for learned, failed, auc in found]
        lines.append(f"| `{measure}` | {' | '.join(cells)} |")
    return lines
