"""Checkpoints, written whole or not at all.

`model.pt` (the latest) and `best.pt` hold what acting needs, a few hundred kilobytes. `resume/state.pt` holds
everything else too: optimizers, ring, environments, random numbers and counters.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.errors import RunFailed, UserError, ran_out_of_memory
from training.whole import replacing

MODEL, BEST, RESUME = "model.pt", "best.pt", "resume/state.pt"
MODEL_FORMAT = "pixel-push-4"
RESUME_FORMAT = "pixel-push-10"


def save(state: dict[str, Any], path: Path) -> None:
    """Write a temporary file beside `path`, flush it to disk and rename it: a kill leaves the old or the new file.

    Raises RunFailed if the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            torch.save({"format": _format(path), **_plain(state)}, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError, MemoryError) as error:
        if ran_out_of_memory(error):
            raise
        reason = error if isinstance(error, OSError) else error.__context__ or error  # torch hides what the system said
        raise RunFailed(f"{path} could not be saved ({reason}); anything saved before is intact.") from error


def load(path: Path, device: torch.device | str) -> dict[str, Any]:
    """Load a checkpoint; runs no code from the file. Raises UserError if the file is missing, corrupt, or not ours."""
    if not path.is_file():
        raise UserError(f"{path} does not exist: name the folder of a run that has saved one.")
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch itself compares no checksums
                raise zipfile.BadZipFile
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # pickle, zip and torch each have their own
        if ran_out_of_memory(error):
            raise
        raise UserError(f"{path} is corrupt or not a checkpoint ({type(error).__name__}): use another one.") from None
    found = state.get("format") if isinstance(state, dict) else None
    if str(found).startswith("pixel-push-") and found != _format(path):
        raise UserError(f"{path} is of another version of this program ({found}): use the commit that its run names.")
    if found != _format(path):
        raise UserError(f"{path} is not a checkpoint of this program: name the folder of one of its runs.")
    return state


def _format(path: Path) -> str:
    """Format of a file: models stay readable across more versions than resume states."""
    return RESUME_FORMAT if path.parent.name == Path(RESUME).parent.name else MODEL_FORMAT


def kept(folder: Path) -> str:
    """Usable checkpoints in a run's folder, as a clause."""
    found = [str(folder / name) for name in (MODEL, RESUME) if (folder / name).is_file()]
    return f"what was saved is kept ({', '.join(found)})" if found else f"nothing had been saved in {folder}"


def _plain(value: Any) -> Any:
    """Convert arrays to tensors, so that loading needs no code but torch's own."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.item() if isinstance(value, np.generic) else value


def as_arrays(value: Any) -> Any:
    """Convert tensors back to arrays, for states that were numpy's before saving."""
    if isinstance(value, dict):
        return {key: as_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(as_arrays(item) for item in value)
    return value.numpy() if isinstance(value, torch.Tensor) else value
