"""What teaches the eyes, as a table and a plot: `python -m experiments.eyes_table` writes docs/eyes-table.md."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis import curves
from analysis.command import command
from experiments import evidence, summary
from experiments.chapter.report import level_cell
from experiments.evidence import Result
from experiments.eyes import EYES
from experiments.eyes_pretrained import EYES_PRETRAINED
from experiments.plot import labelled
from experiments.table import canonical, named
from training.config.memory import step_bytes
from training.errors import RunFailed, UserError

NAME = "experiments.eyes_table"
UPDATES = "benchmarks/updates-eyes.json"  # in the folder of results
_REACH = ["reach-critic", "reach-shift", *(name for name in EYES if name.startswith("reach-"))]
GROUPS = {  # title -> experiments, the first of which all others differ from
    "Reach from images and the goal alone, 16K steps": _REACH,
    "Honest Push, 48K steps": [
        *(name for name in EYES if name not in _REACH), *EYES_PRETRAINED, "eyes-goal-alone"
    ],
}  # fmt: skip
SHOWS = {  # of rows that have another name and meaning elsewhere
    "reach-critic": "The critic's loss alone.",
    "reach-shift": "The critic's loss, and random shifts of 4 pixels (DrQ).",
    "eyes-goal-alone": "The regression of the block's position alone, whose estimate the networks read.",
}
HEAD = """# What teaches the eyes: the table

`python -m experiments.eyes_table` writes this page from `experiments/results/`; [eyes.md](eyes.md) says what each row
is. *Success*: evaluated, 100 or 200 episodes a seed after training. *Ever*: at any step of an episode. *Readout*: the
RMSE of a linear map from the features to the achieved goal, hand or block, at the end (mean of the seeds). *Bytes*: of
one stored step. *Update*: milliseconds of sampling and encoding a minibatch and stepping on it, with one thread and
other work on the machine (`python -m benchmarks.updates`); `4x`: four updates of actor and critics share that encoding.
"""


@dataclass(frozen=True)
class Arguments:
    results: Path = field(default=Path("experiments/results"))
    """Folder of all results."""
    out: Path = Path("docs/eyes-table.md")
    """The page; its images go into a folder of its name beside it."""


def last(result: Result, column: str) -> float | None:
    """Value of a column in the last row that has it."""
    return next((row[column] for row in reversed(result.rows) if column in row), None)


def measured_updates(results: Path) -> dict[str, dict[str, float]]:
    """Experiment -> milliseconds of its update, as `benchmarks.updates` measured them; empty where it has not run."""
    file = results / UPDATES
    if not file.exists():
        return {}
    try:
        rows = json.loads(file.read_text())["updates"]
        return {name: {key: float(value) for key, value in row.items()} for name, row in rows.items()}
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise UserError(f"{file} is not what benchmarks.updates writes ({error!r}): measure again.") from None


def row_of(name: str, results: Sequence[Result], update: dict[str, float] | None = None) -> str:
    """A line of the table."""
    numbers = summary.over_seeds(results)
    readouts = [value for result in results if (value := last(result, "readout_cm")) is not None]
    each = ", ".join(f"{100 * result.final['success_rate']:.3g}" for result in results)
    cells = [
        f"`{name}`", SHOWS.get(name, named(name).shows), f"{each}%",
        f"{100 * numbers['ever']:.3g}%",
        *(level_cell(results, level, numbers[f"steps_to_{level}"]) for level in (50, 90)),
        f"{statistics.fmean(readouts):.1f} cm" if readouts else "-",
        str(step_bytes(results[0].config)),
        f"{update['milliseconds']:.0f} ms, {update['updates_per_encoding']:.0f}x" if update else "-",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def write(given: Arguments) -> None:
    """Write the page and its images. Raises UserError for results that cannot be read, RunFailed if writing fails."""
    evidence.check_folder(given.results)
    lines, folder = [HEAD], given.out.parent / given.out.stem
    images: dict[Path, dict[str, list[Result]]] = {}
    updates = measured_updates(given.results)
    for title, names in GROUPS.items():
        with_results = [name for name in names if evidence.seed_folders(given.results, canonical(name))]
        there = {name: evidence.read(given.results, canonical(name)) for name in with_results}
        lines += [f"## {title}", ""]
        if there:
            path = folder / f"{title.split()[0].lower()}.png"
            images[path] = there
            lines += [
                "| experiment | what reaches the encoder | success, each seed | ever | to 50% | to 90% | readout "
                "| bytes | update |",
                "|---|---|---|---|---|---|---|---|---|",
                *(row_of(name, results, updates.get(canonical(name))) for name, results in there.items()), "",
                f"![{title}]({folder.name}/{path.name})", "",
            ]  # fmt: skip
        if missing := [name for name in names if name not in there]:
            lines += [f"Not run yet: {', '.join(f'`{name}`' for name in missing)}.", ""]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFailed(f"{folder} could not be made ({error.strerror}): name another --out.") from error
    for path, there in images.items():
        runs = {labelled(name, results): [result.rows for result in results] for name, results in there.items()}
        figure, places = curves.panels(runs, ("eval_success", "readout_cm"), across=2)
        figure.set_figheight(3 + 0.12 * len(runs))  # the legend below has two runs in a line
        figure.legend(*curves.legend_of(places), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        curves.save(figure, path)
    summary.write(given.out.parent, {given.out.name: "\n".join(lines)})
    print(given.out)


def main(arguments: Sequence[str]) -> int:
    return command(NAME, __doc__, Arguments, write, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
