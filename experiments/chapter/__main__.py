"""The chapter's questions: `python -m experiments.chapter` lists them, with what is known of each.

python -m experiments.chapter run NAME --seeds 0 1 2 [-- flags of train.py]   the same as experiments.run
python -m experiments.chapter shifts [--runs runs]                             how far shifts move each cell's features
python -m experiments.chapter report [--out docs/chapter.md]                   write the page and its images
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from analysis.command import command
from experiments import run
from experiments.chapter import report, shifts
from experiments.chapter.claims import QUESTIONS

NAME = "experiments.chapter"


@dataclass(frozen=True)
class Listing:
    results: Path = field(default=Path("experiments/results"))
    """Folder of all results."""


@dataclass(frozen=True)
class Report(Listing):
    out: Path = Path("docs/chapter.md")
    """The page; its images go into a folder of its name beside it."""


@dataclass(frozen=True)
class Shifts(Listing):
    runs: Path = Path("runs")
    """Folder of the runs' own folders, as of experiments.run. A cell without a run is measured untrained only."""
    seed: int = 0
    """Seed of the runs, and of the untrained weights."""


def show(given: Listing) -> None:
    """List the questions. Raises UserError if a result cannot be read."""
    console = Console(markup=False)
    table = Table("question", "experiment", "success, each seed", "what", title="The chapter's questions")
    before = ""
    for question, *cells in report.listing(given.results):
        if question != before and before:
            table.add_section()
        table.add_row(question if question != before else "", *cells)
        before = question
    console.print(table)
    for one in QUESTIONS:
        console.print(f"{one.name}: {report.filled(one.verdict, given.results)}", soft_wrap=True)


def write(given: Report) -> None:
    """Write the page. Raises UserError if a result cannot be read, RunFailed if the page cannot be written."""
    for path in report.write(given.results, given.out):
        print(path)


def measure_shifts(given: Shifts) -> None:
    """Measure the cells. Raises UserError if a run cannot be read, RunFailed if the table cannot be written."""
    print(shifts.write(given.runs, given.results, given.seed))


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] == "run":
        return run.main(arguments[1:])
    if arguments and arguments[0] == "report":
        return command(f"{NAME} report", "Write the page of the chapter's questions.", Report, write, arguments[1:])
    if arguments and arguments[0] == "shifts":
        return command(f"{NAME} shifts", shifts.__doc__, Shifts, measure_shifts, arguments[1:])
    return command(NAME, __doc__, Listing, show, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
