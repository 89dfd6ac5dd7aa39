"""The file of a replay whose images lie on disk (`--replay-on-disk`): its path, and whether it fits."""

from __future__ import annotations

import math
from pathlib import Path

from training.config.flags import Config
from training.config.memory import Disk

NAME = "replay.pixels"


def path(config: Config, rank: int) -> Path | None:
    """Path of the rank's images, in the run's folder; None if images are kept in memory."""
    if not config.replay_on_disk:
        return None
    folder = config.resume or config.run_dir
    assert folder is not None
    return Path(folder) / (f"rank-{rank}-{NAME}" if rank else NAME)


def opened(config: Config, rank: int) -> Path | None:
    """Path of the rank's images, in a folder that exists; None if images are kept in memory.

    Raises ValueError if a run is resumed whose images are gone.
    """
    file = path(config, rank)
    if file is None:
        return None
    if config.resume and not config.resume_without_replay and not file.exists():
        raise ValueError(f"{file} is missing")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def disk_needed(config: Config, rank: int) -> Disk | None:
    """Disk space for images, if they are to be stored in a file that does not exist yet; else None."""
    file = path(config, rank)
    if file is None or (config.resume and (file.exists() or not config.resume_without_replay)):
        return None
    assert config.view is not None
    return Disk.of(file.parent, math.prod(config.view.shape) + 8)  # and the image's number
