"""Where the replay goes, and whether it fits there."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import NamedTuple

import torch

from training import memory
from training.config import Config
from training.errors import UserError
from training.needs import learner_need
from training.ranks import Ranks

FILLED = 0.8  # of what is free, what a capacity that is advised takes: need and what is free are known about only


class Disk(NamedTuple):
    """Of pictures that lie in a file."""

    folder: Path
    each: int  # bytes of an observation's
    free: int  # bytes

    @staticmethod
    def of(folder: Path, each: int) -> Disk:
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
        return Disk(folder, each, shutil.disk_usage(there).free)


def place_replay(
    config: Config, part: Config, ranks: Ranks, device: torch.device, each: int, disk: Disk | None
) -> tuple[torch.device, str]:
    """The replay's device, and in a sentence what it takes, what there is, and what would fit comfortably.

    Args:
        config, part: the run's, and this rank's.
        device: the learner's.
        each: bytes of an observation in memory.
        disk: of pictures that are yet to get a file.

    Raises:
        UserError: if it fits nowhere; with the largest capacity that would.
    """
    on_disk, fit_on_disk = "", math.inf
    if disk is not None:
        need, fit_on_disk = disk.each * config.buffer_size, _multiple(FILLED * disk.free / disk.each, ranks.count)
        if need > disk.free:
            raise UserError(
                f"--replay-on-disk needs {_gib(need)} in {disk.folder}, but {_gib(disk.free)} are free there: "
                f"--buffer-size {fit_on_disk} would fit with a fifth to spare."
            )
        on_disk = f", and {_gib(need)} of {_gib(disk.free)} free on disk"
    need, need_beside = each * part.buffer_size, learner_need(part, ranks.count)
    cpu = torch.device("cpu")
    fit = 0
    only_cpu = config.replay_device == "cpu" or config.replay_on_disk or device == cpu
    for place in [cpu] if only_cpu else [device, cpu]:
        same = place == device or memory.shares_memory(device)  # memory that the networks take from too
        all_take_from_it = ranks.on_this_machine if memory.shares_memory(place) else 1
        have = max(0, memory.available_bytes(place) // all_take_from_it - same * need_beside)
        fit = max(fit, _multiple(FILLED * have * ranks.count / each, ranks.count))
        if need <= have:
            of_each = " of each rank" if ranks.count > 1 else ""
            times = memory.times_overwritten(config.total_steps, config.buffer_size)
            return place, (
                f"replay: {part.buffer_size} observations{of_each} in {need / 2**30:.2f} GiB of {_gib(have)} free on "
                f"{place}{on_disk}, overwritten {times}; {min(fit, fit_on_disk)} would fit with a fifth to spare"
            )
    raise UserError(
        f"the replay of {part.buffer_size} observations needs {_gib(need)}, but {_gib(have)} are free on {place} "
        f"beside the networks: --buffer-size {fit} would fit with a fifth to spare."
    )


def _multiple(count: float, of: int) -> int:
    """The greatest multiple of `of` that is not above `count`."""
    return int(count) // of * of


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
