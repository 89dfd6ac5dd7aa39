"""CPU load of other processes when a run begins. The load is printed and decides nothing: the same command makes the
same run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

import envs
from training.config.flags import Config

STAT, WINDOW = Path("/proc/stat"), 0.3  # seconds
_USER, _NICE, _SYSTEM = range(3)  # columns of a core's line
Ticks = dict[int, list[int]]  # by core


def notice(config: Config, device: torch.device) -> str | None:
    """Warning if the learner has more threads than other processes leave cores, else None. Takes WINDOW seconds; call
    while the run's own processes are idle."""
    assert config.threads is not None
    if device.type != "cpu" or config.threads == 1:
        return None
    before = ticks()
    time.sleep(WINDOW)
    busy, cores = busy_cores(before, ticks()), envs.cores()
    if busy < cores - config.threads + 0.5:
        return None
    left = min(config.threads - 1, max(1, int(cores - busy + 0.5)))
    return (
        f"Other processes keep {busy:.1f} of {cores} cores busy: {config.threads} threads will wait for one another, "
        f"and --threads {left} is likely faster, now or with --resume (it changes the last bits of the numbers)."
    )


def busy_cores(before: Ticks, after: Ticks) -> float:
    """Mean number of busy cores between two `ticks()`, among the cores that this process may use. Processes of lower
    priority give way to this one and do not count."""
    counted = [_USER, _SYSTEM] + ([_NICE] if os.getpriority(os.PRIO_PROCESS, 0) > 0 else [])
    busy = 0.0
    for core in after.keys() & before.keys():
        spent = [new - old for new, old in zip(after[core], before[core], strict=True)]
        busy += sum(spent[column] for column in counted) / max(1, sum(spent))
    return busy


def ticks() -> Ticks:
    """Tick counters of each core that this process may use, from /proc/stat; empty where the system has none."""
    try:
        rows = [line.split() for line in STAT.read_text().splitlines() if line.startswith("cpu") and line[3].isdigit()]
        allowed = os.sched_getaffinity(0)
        # The first eight columns add up to all time: guests' time is already in the user's.
        return {core: [int(word) for word in row[1:9]] for row in rows if (core := int(row[0][3:])) in allowed}
    except (OSError, ValueError, AttributeError):
        return {}
