"""Curves and tables of experiments: `python -m experiments.plot NAME [NAME ...] [--results DIR] [--out PNG]`.

Writes summary.csv and summary.md beside each experiment's results, prints the latter, and draws success over steps.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # before pyplot: no display is needed
import matplotlib.pyplot as plt
import tyro
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from analysis.command import command
from experiments import evidence, summary
from experiments.evidence import Result
from experiments.table import canonical, named
from training.errors import RunFailed, UserError

# Okabe and Ito's colours: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":")  # after one round of the colours


@dataclass(frozen=True)
class Arguments:
    names: tyro.conf.Positional[tuple[str, ...]]
    """Experiments, drawn into one image."""
    results: Path = field(default=Path("experiments/results"))
    """Where experiments.run has put their results."""
    out: Path | None = None
    """The image; None: RESULTS/NAME/curve.png, or RESULTS/NAME_vs_NAME.png for several."""
    log_steps: bool = False
    """Logarithmic steps, for experiments of very different budgets."""


def mean_curve(results: Sequence[Result]) -> list[tuple[float, float]]:
    """Mean over seeds at the steps at which all of them were evaluated."""
    curves = [dict(summary.curve(result.rows)) for result in results]
    shared = sorted(set.intersection(*(set(points) for points in curves)))
    return [(step, statistics.fmean(points[step] for points in curves)) for step in shared]


def draw(axes: Axes, number: int, name: str, results: Sequence[Result]) -> None:
    """The mean as a thick line, each seed as a thin one, and what lies between the lowest and the highest shaded."""
    colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
    curves = [summary.curve(result.rows) for result in results]
    mean = mean_curve(results)
    steps = [step for step, _ in mean]
    if len(results) > 1:
        at = [dict(points) for points in curves]
        low = [min(points[step] for points in at) for step in steps]
        high = [max(points[step] for points in at) for step in steps]
        axes.fill_between(steps, low, high, color=colour, alpha=0.12, linewidth=0)
        for points in curves:
            axes.plot(*zip(*points, strict=True), color=colour, alpha=0.35, linewidth=0.8)
    many = f"mean of {len(results)} seeds" if len(results) > 1 else f"seed {results[0].config.seed}"
    marker = "o" if len(steps) == 1 else None
    axes.plot(*zip(*mean, strict=True), style, color=colour, linewidth=2.4, marker=marker, label=f"{name} ({many})")


def image(found: dict[str, list[Result]], path: Path, log_steps: bool) -> None:
    """The same input gives the same image. Raises RunFailed if it cannot be written."""
    with plt.rc_context({"font.size": 12}):
        figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
        for number, (name, results) in enumerate(found.items()):
            draw(axes, number, name, results)
        if log_steps:
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=0)
        axes.set_ylim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: summary.thousands(step) if step else "0"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("environment steps (k = thousands)")
        episodes = sorted({result.config.eval_episodes for results in found.values() for result in results})
        axes.set_ylabel("success without exploration")
        axes.set_title(f"each point: {' or '.join(map(str, episodes))} episodes", fontsize=10, color="0.4", loc="right")
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper left", ncols=min(2, len(found)), frameon=False, fontsize=11)
        temporary = path.with_name(path.name + ".tmp")
        try:
            figure.savefig(temporary, format="png", dpi=150, metadata={"Software": ""})
            os.replace(temporary, path)
        except OSError as error:
            raise RunFailed(f"{path} could not be written ({error.strerror}): name another --out.") from error
        finally:
            plt.close(figure)


def run(given: Arguments) -> None:
    """Raises UserError, before anything is written, if a name is unknown or has no results."""
    names = list(dict.fromkeys(map(canonical, given.names)))
    if not names:
        raise UserError("no experiment is named: python -m experiments.plot push-state")
    shows = {name: named(name).shows for name in names}
    out = given.out or given.results / (f"{names[0]}/curve.png" if len(names) == 1 else f"{'_vs_'.join(names)}.png")
    if out.suffix != ".png":
        raise UserError(f"--out is {out}: name a file that ends in .png.")
    found = {name: evidence.read(given.results, name) for name in names}
    if not out.parent.is_dir():
        raise UserError(f"--out is {out}: make the folder {out.parent} first.")
    for name, results in found.items():
        markdown = summary.to_markdown(name, shows[name], results)
        files = {"summary.csv": summary.to_csv(results), "summary.md": markdown}
        summary.write(given.results / name, files)
        print(markdown)
    image(found, out, given.log_steps)
    print(f"tables: {', '.join(str(given.results / name / 'summary.md') for name in names)}; image: {out}")


def main(arguments: Sequence[str]) -> int:
    return command(
        "experiments.plot", "Plot experiments' curves, and write and print their tables.", Arguments, run, arguments
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
