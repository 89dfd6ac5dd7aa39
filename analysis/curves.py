"""Curves over environment steps, for everything that draws runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # before pyplot: no display is needed
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, PercentFormatter

from training.errors import RunFailed
from training.logger import Row
from training.whole import replacing

# Okabe and Ito's colours: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":")  # after one round of the colours

PANELS = {  # column of metrics.csv -> label of its axis
    "eval_success": "success without exploration",
    "success_rolling": "success while exploring",
    "critic_loss": "critic loss",
    "actor_loss": "actor loss",
    "q": "Q",
    "entropy": "entropy of the policy",
    "encoder_grad_norm": "gradient norm, encoder",
    "critic_grad_norm": "gradient norm, critics",
    "actor_grad_norm": "gradient norm, actor",
    "position_error_cm": "position error (cm)",
    "readout_cm": "linear readout (cm)",
    "td_loss_original": "critic loss, original goals",
    "td_loss_relabelled": "critic loss, lent goals",
    "explained_variance": "explained variance",
    "action_gap": "action gap",
    "goal_gap": "goal gap",
    "dormant_units": "dormant units",
}
Runs = Mapping[str, Sequence[list[Row]]]  # label -> rows of metrics.csv of each seed


def thousands(steps: float) -> str:
    """Format steps in thousands: 20000 -> 20k."""
    return f"{steps / 1000:g}k"


def curve(rows: list[Row], column: str) -> dict[float, float]:
    """Values of a column by step, where there are any."""
    return {row["step"]: row[column] for row in rows if column in row}


def shared_steps(curves: Sequence[Mapping[float, float]]) -> list[float]:
    """Steps at which all curves have a value."""
    return sorted(set.intersection(*(set(points) for points in curves)))


def draw(axes: Axes, number: int, label: str, runs: Sequence[list[Row]], column: str) -> None:
    """Draw the mean over seeds, at the steps that all seeds have, as a thick line; each seed as a thin line; and the
    range from the lowest to the highest seed shaded.

    Args:
        number: selects colour and style.
    """
    curves = [points for points in (curve(rows, column) for rows in runs) if points]
    if not curves:
        return
    colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
    steps = shared_steps(curves)
    at = [[points[step] for points in curves] for step in steps]
    if len(curves) > 1:
        low, high = [min(values) for values in at], [max(values) for values in at]
        axes.fill_between(steps, low, high, color=colour, alpha=0.12, linewidth=0)
        for points in curves:
            axes.plot(*zip(*sorted(points.items()), strict=True), color=colour, alpha=0.35, linewidth=0.8)
    marker = "o" if len(steps) == 1 else None
    mean = [statistics.fmean(values) for values in at]
    axes.plot(steps, mean, style, color=colour, linewidth=2.2, marker=marker, label=label)


def dress(axes: Axes, column: str, log_steps: bool = False) -> None:
    """Format the axes of a column: percent for success, steps in thousands."""
    if log_steps:
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
    if column in ("eval_success", "success_rolling"):
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: thousands(step) if step else "0"))
    axes.set_ylabel(PANELS[column])
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def panels(
    runs: Runs, columns: Sequence[str], across: int = 3, log_steps: bool = False
) -> tuple[Figure, dict[str, Axes]]:
    """Figure with one panel per column that any of the runs has, over the same steps; and the axes by column."""
    shown = [name for name in columns if any(curve(rows, name) for each in runs.values() for rows in each)]
    shown = shown or [columns[0]]
    down = -(-len(shown) // across)
    figure, grid = plt.subplots(down, across, figsize=(4.2 * across, 2.9 * down + 0.7), layout="constrained",
                                sharex=True, squeeze=False)  # fmt: skip
    places = dict(zip(shown, grid.flat, strict=False))
    for column, axes in places.items():
        for number, (label, each) in enumerate(runs.items()):
            draw(axes, number, label, each, column)
        dress(axes, column, log_steps)
    for axes in list(grid.flat)[len(shown) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("environment steps (k = thousands)")
    return figure, places


def legend_of(places: Mapping[str, Axes]) -> tuple[list[Any], list[str]]:
    """Handles and labels of all panels' curves, each label once; and of the band, where there is one."""
    entries: dict[str, Any] = {}
    for axes in places.values():
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if any(axes.collections for axes in places.values()):
        entries["shaded: from the lowest seed to the highest; thin: each seed"] = Patch(color="0.5", alpha=0.25)
    return list(entries.values()), list(entries)


def legend(figure: Figure, places: Mapping[str, Axes], ncols: int, fontsize: int | None = None) -> None:
    """Put a figure's legend above it."""
    figure.legend(*legend_of(places), loc="outside upper left", ncols=ncols, frameon=False, fontsize=fontsize)


def tell_episodes(axes: Axes, episodes: Iterable[int]) -> None:
    """Note above the axes how many episodes each evaluation has."""
    counts = " or ".join(map(str, sorted(set(episodes))))
    axes.set_title(f"each point: {counts} episodes", fontsize=10, color="0.4", loc="right")


def save(figure: Figure, path: Path) -> None:
    """Save a figure, whole or not at all; the same input gives the same image. Raises RunFailed if that fails."""
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=120, metadata={"Software": ""})
    except OSError as error:
        raise RunFailed(f"{path} could not be written ({error.strerror}): name another --out.") from error
    finally:
        plt.close(figure)
