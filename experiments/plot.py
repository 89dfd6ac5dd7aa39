"""Curves and tables of experiments: `python -m experiments.plot NAME [NAME ...] [--results DIR] [--out PNG]`.

Writes summary.csv and summary.md beside each experiment's results, prints the latter, and draws success over
steps, or with --losses most of what a run logs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from analysis import curves
from analysis.command import command
from experiments import evidence, summary
from experiments.evidence import Result
from experiments.table import canonical, named
from training.calls import call
from training.errors import UserError


@dataclass(frozen=True)
class Arguments:
    names: tyro.conf.Positional[tuple[str, ...]]
    """Experiments, drawn into one image."""
    results: Path = field(default=Path("experiments/results"))
    """Folder of all results."""
    out: Path | None = None
    """The image; None: RESULTS/NAME/curve.png (with --losses losses.png), or RESULTS/NAME_vs_NAME.png for several."""
    log_steps: bool = False
    """Logarithmic steps, for experiments of very different budgets."""
    losses: bool = False
    """Draw a panel each for success, losses, Q, gradient norms and the other measures."""


def labelled(name: str, results: Sequence[Result]) -> str:
    """An experiment's name in a legend."""
    return f"{name} (mean of {len(results)} seeds)" if len(results) > 1 else f"{name} (seed {results[0].config.seed})"


def success(found: dict[str, list[Result]], path: Path, log_steps: bool) -> None:
    """Draw success without exploration over steps. Raises RunFailed if the image cannot be written."""
    with curves.plt.rc_context({"font.size": 12}):
        figure, axes = curves.plt.subplots(figsize=(8.5, 4.6), layout="constrained")
        for number, (name, results) in enumerate(found.items()):
            curves.draw(axes, number, labelled(name, results), [result.rows for result in results], "eval_success")
        curves.dress(axes, "eval_success", log_steps)
        axes.set_xlabel("environment steps (k = thousands)")
        curves.tell_episodes(axes, [result.config.eval_episodes for results in found.values() for result in results])
        curves.legend(figure, {"eval_success": axes}, ncols=min(2, len(found)), fontsize=11)
        curves.save(figure, path)


def everything(found: dict[str, list[Result]], path: Path, log_steps: bool) -> None:
    """Draw success, losses, Q, gradient norms and other measures. Raises RunFailed if the image cannot be written."""
    runs = {labelled(name, results): [result.rows for result in results] for name, results in found.items()}
    figure, places = curves.panels(runs, list(curves.PANELS), log_steps=log_steps)
    curves.legend(figure, places, ncols=2)
    curves.save(figure, path)


def run(given: Arguments) -> None:
    """Write tables and an image. Raises UserError, before writing anything, if a name is unknown or has no results."""
    names = list(dict.fromkeys(map(canonical, given.names)))
    if not names:
        raise UserError(f"no experiment is named: {call('-m', 'experiments.plot', 'push-state')}")
    shows = {name: named(name).shows for name in names}
    kind = "losses" if given.losses else "curve"
    out = given.out or given.results / (f"{names[0]}/{kind}.png" if len(names) == 1 else f"{'_vs_'.join(names)}.png")
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
    if given.losses:
        everything(found, out, given.log_steps)
    else:
        success(found, out, given.log_steps)
    print(f"tables: {', '.join(str(given.results / name / 'summary.md') for name in names)}; image: {out}")


def main(arguments: Sequence[str]) -> int:
    return command(
        "experiments.plot", "Plot experiments' curves, and write and print their tables.", Arguments, run, arguments
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
