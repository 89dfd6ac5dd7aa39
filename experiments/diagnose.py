"""Diagnose a run from its curves: `python -m experiments.diagnose RUN [RUN ...] [--buckets STEPS]`.

A run may be running, stopped or finished; a folder of committed results does as well. Prints success and losses in
buckets of steps, the inflection of success, the chapter's milestones scaled to the run's budget, and the verdicts of
two rules on the run's flat stretch. The chapter's rule: a falling critic loss is failure and a rising one is health.
Our rule looks for three signs of failure (training/verdict.py). `--validate` prints, in Markdown, how often each rule
is wrong on committed runs, what `--stop-rule` would have done to them, and what each measure tells.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from analysis.command import command
from analysis.curves import thousands
from experiments import evidence, summary, validation
from experiments.chapter.book import FLOW, STATE, BookCurve
from training import logger, run_folder
from training.config.flags import Config
from training.errors import UserError
from training.logger import Row

SHOWN = (
    "success_rolling", "eval_success", "critic_loss", "actor_loss", "td_loss_original", "td_loss_relabelled",
    "explained_variance", "action_gap", "goal_gap", "dormant_units", "readout_cm", "position_error_cm",
)  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of runs."""
    buckets: int | None = None
    """Environment steps of a bucket; None: a tenth of the run's budget. The chapter has 200000."""
    validate: bool = False
    """Try both rules and all measures on committed runs instead."""
    results: Path = Path("experiments/results")
    """Committed runs, for --validate."""


def mean_of(rows: Sequence[Row], column: str) -> float:
    """Mean over the rows that have the column; NaN if none has."""
    values = [row[column] for row in rows if column in row]
    return statistics.fmean(values) if values else math.nan


def buckets_of(rows: Sequence[Row], size: float) -> list[tuple[float, list[Row]]]:
    """Rows grouped by buckets of steps (end - size, end], as (end, rows); empty buckets are left out."""
    held: dict[int, list[Row]] = {}
    for row in rows:
        held.setdefault(math.ceil(row["step"] / size), []).append(row)
    return [(number * size, held[number]) for number in sorted(held)]


def milestones(rows: Sequence[Row], config: Config) -> list[tuple[float, float, float | None]]:
    """The chapter's curve scaled to the run's budget: (step, the chapter's success at that fraction of its budget, the
    run's best success while exploring by then). The last is None if the run has not come so far."""
    book: BookCurve = FLOW if config.layout.pixels else STATE
    whole = book.points[-1].steps if config.layout.pixels else 2e6
    found = []
    for point in book.points:
        step = point.steps / whole * config.total_steps
        by_then = [row["success_rolling"] for row in rows if row["step"] <= step and "success_rolling" in row]
        reached = rows and rows[-1]["step"] >= step - config.num_envs
        found.append((step, point.low, max(by_then, default=0.0) if reached else None))
    return found


def show(run: Path, buckets: int | None, console: Console) -> None:
    """Print the diagnosis of one run. Raises UserError if the folder is no run's, or has no rows."""
    config, rows = run_folder.saved_config(run), logger.read_rows(run)
    if not rows:
        raise UserError(f"{run} has no rows yet: wait for the first, after --log-every steps.")
    console.print(f"{run}: {config.preset}, step {rows[-1]['step']:.0f} of {config.total_steps}")
    columns = [name for name in SHOWN if any(name in row for row in rows)]
    table = Table("to step", *(name.replace("_", " ") for name in columns))
    for end, held in buckets_of(rows, buckets or config.total_steps / 10):
        values = {name: mean_of(held, name) for name in columns}
        shown = [f"{value:.0%}" if "success" in name else f"{value:.3g}" for name, value in values.items()]
        table.add_row(thousands(end), *("" if text == "nan%" or text == "nan" else text for text in shown))
    console.print(table)
    turn = summary.inflection(summary.curve(rows))
    console.print("inflection: " + ("none" if math.isinf(turn) else f"at step {turn:.0f}"))
    console.print("the chapter's milestones, at this run's scale (success while exploring):")
    for step, wanted, had in milestones(rows, config):
        mark, colour = ("to come", "") if had is None else ("reached", "green") if had >= wanted else ("missed", "red")
        said = "" if had is None else f", {had:.0%} here"
        console.print(f"  {mark} by {thousands(round(step))}: {wanted:.0%} there{said}", style=colour or None)
    try:
        best_return = config.best_return
    except ValueError as error:
        best_return = math.inf
        console.print(f"the greatest possible return is not known: {error}", soft_wrap=True)
    for name, opinion in validation.opinions_of(rows, best_return).items():
        verdict = {None: "says nothing", True: "it learns", False: "it fails"}[opinion.learns]
        console.print(f"{name}: {verdict} ({opinion.why})", soft_wrap=True)


def run(given: Arguments) -> None:
    """Diagnose runs, or validate the rules. Raises UserError if no run is named, or a folder is no run's."""
    console = Console(markup=False)
    if given.validate:
        evidence.check_folder(given.results)
        print("\n".join(validation.table(given.results)) or f"There is no run in {given.results}.")
        return
    if not given.runs:
        raise UserError("name one run's folder or more, or say --validate.")
    if given.buckets is not None and given.buckets < 1:
        raise UserError(f"--buckets is {given.buckets}: a bucket has at least 1 step.")
    for one in given.runs:
        show(one, given.buckets, console)


def main(arguments: Sequence[str]) -> int:
    return command("experiments.diagnose", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
