"""What the replay will need, and what the machine has."""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path

import torch

LOWER = "--batch-size, --buffer-size, --hidden-width or --num-envs"  # what takes the most


def available_bytes(device: torch.device) -> int:
    """Memory that can be taken on `device` now: free GPU memory, or what the machine, its control group and the
    process's own limit allow.

    A GPU that has no memory of its own takes the machine's.
    """
    if device.type == "cuda" and not shares_memory(device):
        return torch.cuda.mem_get_info(device)[0]
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        limits.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:  # a container may allow less than the machine has
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            used = int((group / "memory.current").read_text()) - int(counts["inactive_file"])  # what it can drop
            limits.append(int(limit) - used)
    except (OSError, ValueError, KeyError):
        pass
    most, _ = resource.getrlimit(resource.RLIMIT_AS)  # `ulimit -v`, of which a process has taken much before it begins
    if most != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits.append(most - pages * resource.getpagesize())
    return min(limits)


def shares_memory(device: torch.device) -> bool:
    """Whether what is taken on `device` is taken from the machine's own memory."""
    return device.type == "cpu" or bool(torch.cuda.get_device_properties(device).is_integrated)


def learner_bytes(width: int, depth: int, batch_size: int, updates: int) -> int:
    """About what learning takes beside the replay: networks of `width` and `depth`, and the minibatches of a step."""
    weights = 4 * 14 * ((depth - 1) * width + 64) * width  # 3 networks with gradient and Adam's 2 moments, 2 targets
    activations = 4 * 20 * depth * width * batch_size
    return weights + activations + 1024 * batch_size * updates


def encoder_bytes(maps: list[tuple[int, int, int]], batch_size: int, updates: int) -> int:
    """About what pictures take beside the replay: minibatches of pairs as uint8, and the maps of an encoder's layers
    (their shapes, the pictures' first), which are kept for its gradient and made once more by it."""
    sizes = [math.prod(shape) for shape in maps]
    return 2 * batch_size * updates * sizes[0] + 4 * 2 * batch_size * sum(sizes)


def times_overwritten(total_steps: int, capacity: int) -> str:
    """How often a ring of `capacity` goes round in a run, in words."""
    times = total_steps / capacity
    return "never" if times <= 1 else f"{times - 1:.1f} times"


def replay_bytes(capacity: int, vector_size: int, goal_size: int, action_size: int, pixels: int) -> int:
    """Bytes of a ring: uint8 pixels, float32 vector, action, reward, terminated; float64 goals; three int64 times."""
    return capacity * (4 * (vector_size + action_size + 2) + 8 * (2 * goal_size + 3) + pixels)
