"""The small files that an experiment's figures are drawn from: RESULTS/NAME/seed-S."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from training import checkpoint, finish, logger, run_folder
from training.calls import call
from training.config.flags import Config
from training.errors import RunFailed, UserError
from training.logger import Row

FILES = (run_folder.CONFIG, run_folder.VERSIONS, logger.CSV, finish.EVAL)
CONDITIONS = "conditions.json"  # {"runs_at_once": N}, where known: runs that shared the machine

# Flags that may differ between runs of one experiment: those of the same run (Config.MUTABLE), the seed, and those that
# affect neither learning nor evaluations. The budget (total_steps) is part of an experiment.
FREE = (set(Config.MUTABLE) - {"total_steps"}) | {"seed", "video", "save_every", "save_minutes", "log_every"}


@dataclass(frozen=True)
class Result:
    """One seed's evidence."""

    config: Config
    rows: list[Row]
    final: dict[str, Any]  # eval.json
    threads: int  # of torch
    runs_at_once: int | None


def differences(config: Config, expected: Config) -> list[str]:
    """Flags by which `config` is another experiment than `expected`, each with both values."""
    return [
        f"--{field.name.replace('_', '-')} is {getattr(config, field.name)}, not {getattr(expected, field.name)}"
        for field in dataclasses.fields(Config)
        if field.name not in FREE - _asked(expected) and getattr(config, field.name) != getattr(expected, field.name)
    ]


def _asked(expected: Config) -> set[str]:
    """Flags that are free unless an experiment asks for them: plain float32."""
    return {"accelerate"} if expected.accelerate == "off" else set()


def is_finished(run: Path, config: Config) -> bool:
    """Whether `run` has been evaluated at the end of `config`'s budget.

    An eval.json alone does not say so: a run that was continued beyond its first end still has the old one.
    """
    try:
        final = json.loads((run / finish.EVAL).read_text())
        return bool(final["env_steps"] >= config.total_steps)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_finished(run: Path, config: Config) -> None:
    """Raise UserError unless `run` is finished and has all its files."""
    if not is_finished(run, config):
        raise UserError(f"{run} is not finished: {call('train.py', '--resume', str(run))}")
    if missing := [file for file in FILES if not (run / file).is_file()]:
        raise UserError(f"{run} lacks {', '.join(missing)}: run it again.")


def replay_began(run: Path) -> int:
    """Step at which the replay of a finished run was last empty: 0, or that of a resume without it."""
    try:
        return int(json.loads((run / finish.EVAL).read_text()).get("replay_began", 0))
    except (OSError, ValueError, AttributeError):
        return 0


def is_interrupted(run: Path) -> bool:
    return (run / checkpoint.RESUME).is_file()


def check_folder(results: Path) -> None:
    """Raise UserError unless the folder of all results is there: a page would say that nothing has run."""
    if not results.is_dir():
        raise UserError(f"there is no folder {results}: name that of all results with --results.")


def seed_folders(results: Path, name: str) -> list[Path]:
    """Result folders of an experiment, by seed."""
    found = [p for p in (results / name).glob("seed-*") if p.is_dir() and p.name.removeprefix("seed-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("seed-")))


def check_alike(results: Path, name: str, expected: Config) -> None:
    """Raise UserError if results of this name have another configuration: the two must not be mixed."""
    for folder in seed_folders(results, name):
        if different := differences(run_folder.saved_config(folder), expected):
            raise UserError(
                f"{folder} holds results of another configuration ({'; '.join(different)}): remove it, or name "
                "another --results."
            )


def check_free(run: Path, results: Path, name: str, seed: int) -> None:
    """Raise UserError if results of this seed are not of `run`: they would be overwritten."""
    target = results / name / f"seed-{seed}"
    if not (target / logger.CSV).is_file():
        return
    here = run / logger.CSV
    if not here.is_file() or here.read_bytes() != (target / logger.CSV).read_bytes():
        raise UserError(f"{target} holds results of another run: say --overwrite, or name other --results.")


def copy(run: Path, results: Path, name: str, runs_at_once: int | None = None) -> Path:
    """Copy a finished run's small files to RESULTS/NAME/seed-S, whole or not at all.

    Args:
        run: a run's folder.
        results: the folder of all results.
        name: the experiment's.
        runs_at_once: overrides the conditions recorded in the run's folder.

    Raises:
        UserError: if the run has not finished, or lacks a file.
        RunFailed: if the results cannot be written.
    """
    config = run_folder.saved_config(run)
    check_finished(run, config)
    _evidence(run)  # what cannot be read replaces nothing
    target = results / name / f"seed-{config.seed}"
    fresh, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    try:
        for leftover in (fresh, old):  # of a copy that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir(parents=True)
        for file in (*FILES, CONDITIONS):
            if (run / file).is_file():
                shutil.copyfile(run / file, fresh / file)
        saved = json.loads((fresh / run_folder.CONFIG).read_text())
        run_folder.write_json(fresh / run_folder.CONFIG, saved | {"run_dir": None})  # of the machine it ran on
        if runs_at_once is not None:
            run_folder.write_json(fresh / CONDITIONS, {"runs_at_once": runs_at_once})
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RunFailed(f"{target} could not be written ({error.strerror}): free some space or name others.") from error
    return target


def note_conditions(run: Path, runs_at_once: int) -> None:
    """Record how many runs shared the machine: the maximum over all parts of an interrupted run."""
    before = read_conditions(run) or 0
    run_folder.write_json(run / CONDITIONS, {"runs_at_once": max(before, runs_at_once)})


def read_conditions(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / CONDITIONS).read_text())["runs_at_once"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(results: Path, name: str) -> list[Result]:
    """Results of an experiment, by seed. Raises UserError if there are none, or if one is not whole."""
    found = [_read_one(folder) for folder in seed_folders(results, name)]
    if not found:
        raise UserError(f"there are no results in {results / name}: {call('-m', 'experiments.run', name)}")
    check_alike(results, name, found[0].config)
    return found


def _read_one(folder: Path) -> Result:
    result = _evidence(folder)
    if f"seed-{result.config.seed}" != folder.name:
        raise UserError(f"{folder} is not the evidence of that seed: remove it and run its seed again.")
    return result


def _evidence(folder: Path) -> Result:
    """Evidence in a folder of any name. Raises UserError unless all numbers are there and can be true."""
    config = run_folder.saved_config(folder)
    try:
        rows = logger.read_rows(folder)
        final = json.loads((folder / finish.EVAL).read_text())
        versions = json.loads((folder / run_folder.VERSIONS).read_text())
        result = Result(config, rows, final, int(versions["threads"]), read_conditions(folder))
        whole = _can_be_true(rows) and finish.can_be_true(final)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder} cannot be read ({error!r}): remove it and run its seed again.") from None
    if not whole:
        raise UserError(f"{folder} is not the whole evidence of that seed: remove it and run its seed again.")
    return result


def _can_be_true(rows: list[Row]) -> bool:
    """Whether steps rise in rows with all of their measures, with an evaluation among them."""
    steps = [row["step"] for row in rows if {"updates", "seconds"} <= row.keys()]
    success = [row["eval_success"] for row in rows if "eval_success" in row]
    rising = all(0 <= before < after for before, after in pairwise([*steps, math.inf]))
    return len(steps) == len(rows) and rising and bool(success) and all(0 <= value <= 1 for value in success)
