"""Runs side by side: `python -m analysis.compare RUN RUN ... [--out compare.png]`.

Prints the flags in which the runs differ, and the outcome of each run, in 80 columns for any number of runs, and draws
success, losses and the other measures over steps.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from analysis import curves
from analysis.command import command
from training import finish, logger, run_folder
from training.config.flags import Config
from training.errors import UserError
from training.progress import duration
from training.rollout.evaluate import wilson_interval


@dataclass(frozen=True)
class Arguments:
    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Runs' folders, finished or not."""
    out: Path = Path("compare.png")
    """Image file (png) for the curves."""


def differing(configs: Sequence[Config]) -> list[str]:
    """Names of the flags in which the runs differ, except flags that only say how the runs ran."""
    rows = [dataclasses.asdict(config) for config in configs]
    names = [name for name in rows[0] if name not in Config.MUTABLE or name == "total_steps"]
    return [name for name in names if any(row[name] != rows[0][name] for row in rows)]


def flags(configs: Sequence[Config]) -> list[str]:
    """A line per flag in which the runs differ: each value, with the numbers of its runs, counted from 1."""
    lines = []
    for name in differing(configs):
        runs: dict[str, list[str]] = {}
        for number, config in enumerate(configs, start=1):
            value = getattr(config, name)
            runs.setdefault(" ".join(value) if isinstance(value, tuple) else str(value), []).append(str(number))
        values = "; ".join(f"{value} ({', '.join(numbers)})" for value, numbers in runs.items())
        lines.append(f"--{name.replace('_', '-')}  {values}")
    return lines


def outcome(run: Path, config: Config) -> dict[str, Any]:
    """Contents of eval.json; of an unfinished run, the best evaluation so far, marked by "best". Raises UserError for a
    damaged file."""
    found = _read_json(run / finish.EVAL)
    if found is not None and not finish.can_be_true(found):
        raise UserError(f"{run / finish.EVAL} lacks a number, or has one that cannot be true: mend or remove it.")
    if found is None:
        rows = logger.read_rows(run)
        last = rows[-1] if rows else {"step": 0.0, "seconds": 0.0}
        found = {"env_steps": int(last["step"]), "wall_seconds": last["seconds"]}
        if rates := [row["eval_success"] for row in rows if "eval_success" in row]:
            found |= {"success_rate": max(rates), "episodes": config.eval_episodes, "best": True}
    return found


def commit(run: Path) -> str:
    """Commit of the code that began the run, shortened; with a + if it was changed."""
    versions = _read_json(run / run_folder.VERSIONS) or {}
    return str(versions.get("commit", "unknown"))[:7] + "+" * (versions.get("uncommitted_changes") is True)


def _read_json(path: Path) -> dict[str, Any] | None:
    """Contents of a JSON file, None if it does not exist. Raises UserError for a damaged one."""
    try:
        return dict(json.loads(path.read_text())) if path.is_file() else None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): mend or remove it.") from None


def success(result: dict[str, Any]) -> str:
    """Success rate with its 95% interval, as text; * marks an unfinished run's best evaluation."""
    if "success_rate" not in result:
        return "not evaluated"
    rate, episodes = result["success_rate"], result["episodes"]
    low, high = wilson_interval(round(rate * episodes), episodes)
    return f"{rate:.1%} [{low:.0%}, {high:.0%}]" + "*" * result.get("best", False)


def outcomes(runs: Sequence[Path], results: Sequence[dict[str, Any]]) -> Table:
    """Table of one row per run; columns without any value are left out."""

    def shown(name: str, pattern: str) -> list[str]:
        return ["" if (value := result.get(name)) is None else format(value, pattern) for result in results]

    columns = {
        "": [str(number) for number in range(1, len(runs) + 1)],
        "success [95%]": [success(result) for result in results],
        "ever": shown("ever_success_rate", ".1%"),
        "blind": shown("blindfold_success_rate", ".1%"),
        "cm off": shown("position_rmse_cm", ".2f"),
        "steps": [curves.thousands(result["env_steps"]) for result in results],
        "to 90%": ["" if (at := result.get("steps_to_90")) is None else curves.thousands(at) for result in results],
        "time": [duration(result["wall_seconds"]) for result in results],
        "commit": [commit(run) for run in runs],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    table = Table(*columns, box=SIMPLE_HEAD, padding=0)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def run(arguments: Arguments) -> None:
    """Print the comparison and draw the curves. Raises UserError for a folder that is no run's, RunFailed if the image
    cannot be saved."""
    if not arguments.runs:
        raise UserError("name one run's folder or more.")
    if arguments.out.suffix != ".png":
        raise UserError(f"--out is {arguments.out}: name a file that ends in .png.")
    console = Console(markup=False, highlight=False)
    configs = [run_folder.saved_config(folder) for folder in arguments.runs]
    results = [outcome(folder, config) for folder, config in zip(arguments.runs, configs, strict=True)]
    names = [f"{number}  {folder}" for number, folder in enumerate(arguments.runs, start=1)]
    for line in (*names, "", *flags(configs)):
        console.print(line, soft_wrap=len(line) > console.width and line in names)
    console.print(outcomes(arguments.runs, results))
    if any(result.get("best") for result in results):
        console.print("* not finished: the best of its evaluations so far, which is likely too high")
    rows = {name: [logger.read_rows(folder)] for name, folder in zip(names, arguments.runs, strict=True)}
    figure, places = curves.panels(rows, list(curves.PANELS))
    if "eval_success" in places:
        curves.tell_episodes(places["eval_success"], [config.eval_episodes for config in configs])
    curves.legend(figure, places, ncols=1)
    curves.save(figure, arguments.out)
    console.print(f"curves: {arguments.out}", soft_wrap=True)


def main(arguments: Sequence[str]) -> int:
    return command("analysis.compare", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
