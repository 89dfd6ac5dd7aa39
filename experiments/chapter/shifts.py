"""How far a random shift moves an encoder's output, beside how far scenes differ: the four cells of the factorial.

Measures each cell's encoder untrained, in scenes of guided and random actions, and after its run, in the run's own
episodes. The definitions are those of `analysis.feature_stats`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from analysis.features import ELSEWHERE, SCENES, SHIFT, add_object, at_rest, noise
from analysis.scenes import evaluator_of, is_run, scenes
from experiments import summary
from experiments.table import canonical, named

CELLS = ("cell-a", "cell-b", "cell-c", "cell-d")
FILE = "shifts.csv"  # among the results
DISTANCES = (SHIFT, SCENES, ELSEWHERE)
STEPS = 25  # in each evaluation environment

Row = dict[str, str]


def measure(source: str) -> Iterator[dict[str, str]]:
    """Yield a row per part of an encoder's output; `source` is a run's folder, or a preset with flags, untrained."""
    evaluator = evaluator_of(source)
    try:
        trained = is_run(source)
        found = scenes(evaluator, STEPS, **({} if trained else {"random_actions": 1.0, "guided_episodes": 1.0}))
        distances = noise(evaluator, found)
        add_object(evaluator, found, at_rest(evaluator, found), distances)
    finally:
        evaluator.close()
    for part, of in distances.items():
        yield {"encoder": "trained" if trained else "untrained", "part": part} | {
            name: f"{of[name]:.6g}" for name in DISTANCES
        }


def write(runs: Path, results: Path, seed: int) -> Path:
    """Measure every cell, trained where RUNS/NAME/seed-S is there. Raises UserError, RunFailed."""
    rows: list[Row] = []
    for cell in CELLS:
        name = canonical(cell)
        run = runs / name / f"seed-{seed}"
        sources = [" ".join([*named(name).arguments(), "--seed", str(seed)]), *([str(run)] if is_run(run) else [])]
        rows += [{"cell": cell} | row for source in sources for row in measure(source)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    summary.write(results, {FILE: text.getvalue()})
    return results / FILE


def table(results: Path) -> list[str]:
    """Lines of the page's table; none if nothing was measured."""
    if not (results / FILE).is_file():
        return []
    lines = [
        "| cell | encoder | output | a shift moves it by | two scenes differ by | block elsewhere | shift / scenes |",
        "|---|---|---|---|---|---|---|",
    ]
    with (results / FILE).open(newline="") as file:
        for row in csv.DictReader(file):
            moved, differ, elsewhere = (float(row[name]) for name in DISTANCES)
            times = f"{moved / differ:.2g}" if differ else "-"
            cells = [row["cell"], row["encoder"], row["part"], f"{moved:.2g}", f"{differ:.2g}", f"{elsewhere:.2g}"]
            lines.append(f"| {' | '.join([*cells, times])} |")
    return lines
