"""docs/chapter.md: each question with its claim, commands, figures, a table, a plot and a verdict."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from analysis import curves
from analysis.curves import thousands
from experiments import evidence, summary, validation
from experiments.chapter import shifts
from experiments.chapter.book import BookCurve
from experiments.chapter.claims import QUESTIONS
from experiments.chapter.question import Question
from experiments.evidence import Result
from experiments.plot import labelled
from experiments.table import canonical, named
from training.errors import RunFailed

INTRODUCTION = """# The chapter, re-run

Each question of the chapter, with what it claims, the command that asks it here, and what came out. `python -m
experiments.chapter report` writes this page from `experiments/results/`.

The chapter's own settings take 2 to 4 million steps, which on two cores is days. So its questions are asked with its
eyes on our learner, the preset `chapter`. *Its eyes*: the default view, SpatialSoftmax with LayerNorm and Tanh, pixels
/ 255, a target encoder; but our fast convolutions, which cost half of the chapter's (`encoder-manipulation` has its
own), one image in the place of four, rendered at 84x84 at once, without multisampling and without the goal's marker.
*Our learner*: relative goals, LayerNorm critics, normalised inputs, clipped targets, guided episodes, 30% random
actions, hindsight that tries goals again and moves them, larger learning rates that fall, minibatches of 64. Within a
question all else is equal, seeds and budget too, unless it says otherwise. The chapter's own settings, whole, are
`book-cell-a` to `book-cell-d`.

Success *while exploring* is what the chapter reports: of the last 100 episodes, with exploration. *Evaluated* success
is without it. The two are not to be compared with one another. The chapter's own points stand in the plots of success
while exploring, on an axis of their own. *To 50%* and *to 90%*: steps to the first of two evaluations in a row at that
level, median over seeds; where half of the seeds never get there, how many do. *Black images* and *another's images*:
evaluated success of the same policy shown black images, or those of another episode. A policy that does as well on
another episode's images does not use what they show. Black images are unlike any in training, and may harm it even so.
"""
PLACE = re.compile(r"\{([\w.-]+):(\d+)\}")  # of an experiment's success in a verdict, and how many seeds it speaks of
SB3S_CURVE = "sb3-book-state/learning.png"  # among the results, drawn by benchmarks.learning
BLINDFOLDED = ("blindfold_success_rate", "another_image_success_rate")
COLUMNS = ("success_rolling", "eval_success", "critic_loss", "actor_loss")


def found(results: Path, question: Question) -> dict[str, list[Result]]:
    """Results by experiment; experiments without results are left out."""
    names = [name for name in question.experiments if evidence.seed_folders(results, canonical(name))]
    return {name: evidence.read(results, canonical(name)) for name in names}


def exploring(result: Result) -> float:
    """Success of the last 100 exploring episodes at the end; NaN before any has ended."""
    return next((row["success_rolling"] for row in reversed(result.rows) if "success_rolling" in row), math.nan)


def filled(text: str, results: Path) -> str:
    """`text` with each {NAME:SEEDS} replaced by that experiment's evaluated success in percent, seed by seed."""

    def success(match: re.Match[str]) -> str:
        name = canonical(match[1])
        if not evidence.seed_folders(results, name):
            return "(not run)"
        each = [result.final["success_rate"] for result in evidence.read(results, name)]
        return f"{', '.join(f'{100 * one:.3g}' for one in each)}%"

    return PLACE.sub(success, text)


def row_of(name: str, results: Sequence[Result]) -> str:
    """A line of a question's table."""
    numbers = summary.over_seeds(results)
    each = [result.final["success_rate"] for result in results]
    late = [exploring(result) for result in results]
    reached = [level_cell(results, level, numbers[f"steps_to_{level}"]) for level in (50, 90)]
    cells = [
        f"`{name}`", str(len(results)), thousands(results[0].config.total_steps),
        f"{statistics.fmean(each):.1%} ({', '.join(f'{one:.1%}' for one in each)})",
        f"{statistics.fmean(late):.0%} ({', '.join(f'{one:.0%}' for one in late)})", *reached,
        *(mean_of([result.final.get(name) for result in results]) for name in BLINDFOLDED),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def level_cell(results: Sequence[Result], level: int, median: float) -> str:
    """Cell of the median steps to a level in percent; if it is infinite, the number of seeds that got there."""
    if not math.isinf(median):
        return thousands(median)
    got = sum(not math.isinf(summary.numbers_of(result)[f"steps_to_{level}"]) for result in results)
    return f"{got} of {len(results)} seeds" if got else "not reached"


def mean_of(rates: Sequence[float | None]) -> str:
    """Mean of success rates, in percent; a dash where there are none."""
    there = [rate for rate in rates if rate is not None]
    return f"{statistics.fmean(there):.0%}" if there else "-"


def section(question: Question, results: Path, pictures: str) -> str:
    """A question's part of the page."""
    there = found(results, question)
    commands = [
        f"python -m experiments.run {canonical(name)} --seeds 0 1 2 --results runs/results"
        for name in question.experiments
    ]
    lines = [f"## {question.title}", "", f"**{question.whose}:** {question.claim}", ""]
    if question.unmatched:
        lines += [f"**Not matched:** {question.unmatched}", ""]
    lines += [f"**Verdict:** {filled(question.verdict, results)}", ""]
    if there:
        lines += [
            "| experiment | seeds | steps | evaluated success, each seed | while exploring | to 50% | to 90% "
            "| black images | another's images |",
            "|---|---|---|---|---|---|---|---|---|",
            *(row_of(name, each) for name, each in there.items()), "",
            f"![{question.title}]({pictures}/{question.name}.png)", "",
        ]  # fmt: skip
    if question.name == "baseline" and (results / SB3S_CURVE).is_file():
        lines += [f"![SB3 and ours](../experiments/results/{SB3S_CURVE})", ""]
    if question.name == "step-4" and (measured := shifts.table(results)):
        lines += ["How far a random shift moves the encoder's output (`python -m experiments.chapter shifts`):", "",
                  *measured, ""]  # fmt: skip
    if question.name == "step-3" and (counted := validation.table(results)):
        lines += ["How often each rule is wrong on committed runs (`python -m experiments.diagnose --validate`):", "",
                  *counted, ""]  # fmt: skip
    if missing := [name for name in question.experiments if name not in there]:
        lines += [f"Not run yet: {', '.join(f'`{name}`' for name in missing)}.", ""]
    lines += [f"**See for yourself:** {question.change}", "", "```", *dict.fromkeys(commands), "```", ""]
    return "\n".join(lines)


def page(results: Path, pictures: str) -> str:
    """Text of docs/chapter.md. Raises UserError if a result cannot be read."""
    return "\n".join([INTRODUCTION, *(section(question, results, pictures) for question in QUESTIONS)])


# ---------------------------------------------------------------------- plots


def draw_book(axes: Axes, curves: Sequence[BookCurve]) -> tuple[list[Any], list[str]]:
    """Draw the chapter's points on a second axis of steps above. Returns handles and labels for the legend."""
    above = axes.twiny()
    last = max([point.steps for curve in curves for point in curve.points]
               + [curve.flat.steps or 0.0 for curve in curves if curve.flat], default=0.0) or 4e6  # fmt: skip
    for number, curve in enumerate(curves):
        label, grey = f"chapter: {curve.name}", ("0.35", "0.6")[number % 2]
        if curve.flat is not None:
            until = (curve.flat.steps or last) / 1e6
            low, high = curve.flat.low - 0.003, curve.flat.high + 0.003  # so that a line can be seen
            above.fill_between([0, until], low, high, color=grey, alpha=0.35, linewidth=0, label=label)
        if curve.points:
            steps = [point.steps / 1e6 for point in curve.points]
            middle = [(point.low + point.high) / 2 for point in curve.points]
            half = [(point.high - point.low) / 2 for point in curve.points]
            above.errorbar(steps, middle, half, fmt="s^"[number % 2] + ":", color=grey, markersize=4, linewidth=0.8,
                           capsize=2, label=label)  # fmt: skip
    above.set_xlim(left=0)
    above.set_xlabel("the chapter's environment steps (millions)", fontsize=8, color="0.4")
    above.tick_params(labelsize=8, colors="0.4")
    return above.get_legend_handles_labels()


def image(question: Question, there: dict[str, list[Result]], path: Path) -> None:
    """Draw four panels over steps, with the chapter's own points. Raises RunFailed if the image cannot be written."""
    runs = {labelled(name, results): [result.rows for result in results] for name, results in there.items()}
    figure, places = curves.panels(runs, COLUMNS, across=2)
    handles, labels = curves.legend_of(places)
    if question.book and "success_rolling" in places:
        more_handles, more_labels = draw_book(places["success_rolling"], question.book)
        handles, labels = [*handles, *more_handles], [*labels, *more_labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    curves.save(figure, path)


def write(results: Path, out: Path) -> list[Path]:
    """Write the page `out` and its images beside it; returns what was written. Raises UserError, RunFailed."""
    evidence.check_folder(results)
    folder = out.parent / out.stem
    text = page(results, folder.name)  # first: what cannot be read stops before anything is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFailed(f"{folder} could not be made ({error.strerror}): name another --out.") from error
    written = []
    for question in QUESTIONS:
        if there := found(results, question):
            image(question, there, folder / f"{question.name}.png")
            written.append(folder / f"{question.name}.png")
    summary.write(out.parent, {out.name: text})
    return [out, *written]


def listing(results: Path) -> list[tuple[str, str, str, str]]:
    """Rows of the command's table: question, experiment, success of each seed, and what the experiment shows."""
    rows = []
    for question in QUESTIONS:
        there = found(results, question)
        for name in question.experiments:
            each = [f"{result.final['success_rate']:.0%}" for result in there.get(name, [])]
            same = f" = {canonical(name)}" if canonical(name) != name else ""
            rows.append((question.name, name + same, " ".join(each) or "-", named(name).shows))
    return rows
