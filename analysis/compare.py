"""Runs side by side: `python -m analysis.compare RUN RUN ... [--out compare.png]`.

Prints what differs between their configurations and how each one did, and draws success, losses and the other measures
over steps.
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
from rich.console import Console
from rich.table import Table

from analysis import curves
from analysis.command import command
from training import finish, logger, run_folder
from training.config.flags import Config
from training.errors import UserError

SHOWN = ("success_rate", "ever_success_rate", "blindfold_success_rate", "position_rmse_cm", "env_steps", "wall_seconds",
         "steps_to_90")  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Runs' folders, finished or not."""
    out: Path = Path("compare.png")
    """Where the curves go."""


def differing(configs: Sequence[Config]) -> list[str]:
    """Names of the flags in which the runs differ, what is only about how they ran aside."""
    rows = [dataclasses.asdict(config) for config in configs]
    names = [name for name in rows[0] if name not in Config.MUTABLE or name == "total_steps"]
    return [name for name in names if any(row[name] != rows[0][name] for row in rows)]


def outcome(run: Path) -> dict[str, Any]:
    """What eval.json holds; of a run that has not finished, its best evaluation so far."""
    if (run / finish.EVAL).is_file():
        try:
            return json.loads((run / finish.EVAL).read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{run / finish.EVAL} cannot be read ({error}): evaluate the run again.") from None
    rows = logger.read_rows(run)
    best = max((row["eval_success"] for row in rows if "eval_success" in row), default=None)
    last = rows[-1] if rows else {"step": 0.0, "seconds": 0.0}
    return {"success_rate": best, "env_steps": int(last["step"]), "wall_seconds": round(last["seconds"], 1)}


def run(arguments: Arguments) -> None:
    """Raises UserError if a folder is no run's, or the image cannot be written."""
    if not arguments.runs:
        raise UserError("name one run's folder or more.")
    if arguments.out.suffix != ".png":
        raise UserError(f"--out is {arguments.out}: name a file that ends in .png.")
    console = Console()
    configs = [run_folder.saved_config(folder) for folder in arguments.runs]
    names, results = differing(configs), [outcome(folder) for folder in arguments.runs]
    table = Table("", *(str(folder) for folder in arguments.runs))
    for name in names:
        table.add_row(f"--{name.replace('_', '-')}", *(str(getattr(config, name)) for config in configs))
    table.add_section()
    for name in SHOWN:
        if any(result.get(name) is not None for result in results):
            table.add_row(name, *(str(result.get(name, "")) for result in results))
    console.print(table)
    figure, places = curves.panels({str(run): [logger.read_rows(run)] for run in arguments.runs}, list(curves.PANELS))
    figure.legend(*curves.legend_of(places), loc="outside upper left", ncols=1, frameon=False)
    curves.save(figure, arguments.out)
    console.print(f"curves: {arguments.out}")


def main(arguments: Sequence[str]) -> int:
    return command("analysis.compare", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
