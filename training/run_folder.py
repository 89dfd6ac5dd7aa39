"""A run's folder: its name, its lock against other writers, and its configuration."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from training.checkpoint import MODEL, RESUME, kept, load
from training.config.flags import Config
from training.config.saved import from_json
from training.config.validation import problems
from training.errors import TRACEBACK, RunFailed, UserError
from training.whole import replacing

CONFIG, VERSIONS = "config.json", "versions.json"
LOCK = ".lock"


def free_folder(config: Config) -> Path:
    """Folder that the run asked for, or a new one named after it. Raises UserError if the folder is not free."""
    try:
        path = _asked_or_new(config)
        _check_writable(path)
        return path
    except OSError as error:  # a name that is too long, a folder that cannot be listed
        raise UserError(f"{error.filename} cannot be used ({error.strerror}): name another --run-dir.") from None


def _asked_or_new(config: Config) -> Path:
    if config.run_dir is not None:
        path = Path(config.run_dir)
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file: name another --run-dir.")
        # A run whose first reset raised leaves a traceback and nothing else.
        if path.exists() and any(entry.name not in (LOCK, TRACEBACK) for entry in path.iterdir()):
            if (path / LOCK).exists():
                Lock(path)  # if its run is alive, that is the better thing to say
            resumable = (path / RESUME).is_file()
            mend = f"continue it with --resume {shlex.quote(str(path))}" if resumable else "remove it"
            raise UserError(f"{path} is not empty: {mend}, or name another --run-dir.")
    else:
        first = config.default_run_dir()
        path, number = first, 1
        while path.exists():
            number += 1
            path = first.with_name(f"{first.name}-{number}")
    return path


def _check_writable(path: Path) -> None:
    parent = path
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"{path} cannot be written: name another --run-dir, or mend the permissions of {parent}.")


class Lock:
    """Lock on a folder, held for as long as the process lives: a killed run never leaves its folder locked."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = open(folder / LOCK, "a+")  # noqa: SIM115 - held open as long as the lock
        except OSError as error:
            raise UserError(f"{folder} cannot be written ({error.strerror}): name another --run-dir.") from None
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise UserError(f"{folder} belongs to a run that is alive: wait for it, or name another folder.") from None


class Place:
    """Place of a run's folder, which may be moved or removed while the run goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.descriptor = folder, os.open(folder, os.O_RDONLY)

    def check(self) -> None:
        """Raise RunFailed, with what is left of the run, if the folder is not where it was."""
        try:
            if os.path.samestat(os.stat(self.folder), os.fstat(self.descriptor)):
                return
        except FileNotFoundError:
            pass
        now = Path(os.readlink(f"/proc/self/fd/{self.descriptor}"))
        if not now.exists():  # the system adds "(deleted)" to its name
            raise RunFailed(
                f"{self.folder} was removed, or moved to another disk, while its run went on: the run ends."
            )
        raise RunFailed(f"{self.folder} was moved to {now} while its run went on: the run ends, and {kept(now)}.")


def folder_and_model(run: Path) -> tuple[Path, Path]:
    """Folder and model that `run` names: a run's folder, with its latest model; or one of a run's models."""
    return (run.parent, run) if run.suffix == ".pt" else (run, run / MODEL)


def config_of(run: Path) -> Config:
    """Configuration of a run's folder, or the one inside a model's file. Raises UserError if there is none."""
    folder, file = folder_and_model(run)
    if run.suffix == ".pt" and (saved := load(file, "cpu").get("config")) is not None:  # an older one has none
        try:
            return _valid(saved, file)
        except ValueError as error:
            raise UserError(
                f"{file} is of another version of this program ({error}): use the commit of its run."
            ) from None
    return saved_config(folder)


def saved_config(folder: Path) -> Config:
    """Configuration in a run's folder. Raises UserError if `folder` is not a run's."""
    try:
        return _valid((folder / CONFIG).read_text(), folder / CONFIG)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} is not the folder of a run ({error}): name one that holds a whole {CONFIG}."
        ) from None


def _valid(text: str, file: Path) -> Config:
    """Configuration from `file`. Raises ValueError if the text is none, and UserError for values that no run has."""
    config = from_json(text)
    if found := problems(config):
        raise UserError(f"{file} has values that no run has: {found[0]}")
    return config


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def commit() -> dict[str, Any]:
    """Commit of the running code, and whether the code was changed since; changed results do not count."""
    changes = _git("status", "--porcelain", "--", ":/", ":(top,exclude)experiments/results")
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "uncommitted_changes": "unknown" if changes is None else bool(changes),
    }


def _git(*arguments: str) -> str | None:
    """Output of git; None if git fails."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
