"""Memory of a run, counted before it starts: what is free, what learning and replay need, and where the replay fits."""

from __future__ import annotations

import math
import os
import resource
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import envs
from agent.routing import ROUTINGS
from auxiliary import AUXILIARIES
from encoders import shapes
from training.config import cgroup
from training.config.flags import Config
from training.config.pretrained import describe, embedding_size
from training.errors import UserError
from training.ranks import Ranks

TRAINED = 16  # bytes of a weight in float32 with its gradient and Adam's moments
PROCESS = 700 * 2**20  # bytes of a run with next to nothing in it: torch, environments, a worker
FILLED = 0.8  # fraction of free memory for an advised capacity: need and free memory are estimates


def available_bytes(device: torch.device) -> int:
    """Free bytes on `device` now: free GPU memory, or what the machine, its control groups and the process's own limit
    allow.

    A GPU without memory of its own uses the machine's.
    """
    if device.type == "cuda" and not shares_memory(device):
        return torch.cuda.mem_get_info(device)[0]
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        limits.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limits += cgroup.free_bytes()
    most, _ = resource.getrlimit(resource.RLIMIT_AS)  # `ulimit -v`; much is in use before the run begins
    if most != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits.append(most - pages * resource.getpagesize())
    return min(limits)


def shares_memory(device: torch.device) -> bool:
    """Whether memory on `device` is the machine's own."""
    return device.type == "cpu" or bool(torch.cuda.get_device_properties(device).is_integrated)


def learner_bytes(width: int, depth: int, batch_size: int, updates: int, features: int = 64) -> int:
    """Bytes that learning needs beside the replay, about: networks of `width` and `depth` on so many `features`, and a
    step's minibatches."""
    # 3 networks with gradient and Adam's 2 moments, 2 targets
    weights = 4 * 14 * ((depth - 1) * width + features) * width
    activations = 4 * 20 * depth * width * batch_size
    return weights + activations + 1024 * batch_size * updates


def encoder_bytes(maps: Sequence[tuple[int, ...]], batch_size: int, updates: int) -> int:
    """Bytes that images need beside the replay, about: minibatches of pairs as uint8, and the maps of an encoder's
    layers (by their shapes, the images' first), kept for the backward pass and as many again made in it."""
    sizes = [math.prod(shape) for shape in maps]
    return 2 * batch_size * updates * sizes[0] + 4 * 2 * batch_size * sum(sizes)


def times_overwritten(total_steps: int, capacity: int) -> str:
    """Number of times that a run overwrites a ring of `capacity`, in words."""
    times = total_steps / capacity
    return "never" if times <= 1 else f"{times - 1:.1f} times"


def replay_bytes(capacity: int, vector_size: int, goal_size: int, action_size: int, pixels: int) -> int:
    """Bytes of a ring: uint8 pixels, float32 vector, action, reward, terminated; float64 goals; three int64 times."""
    return capacity * (4 * (vector_size + action_size + 2) + 8 * (2 * goal_size + 3) + pixels)


def learner_need(config: Config, ranks: int = 1) -> int:
    """Bytes that learning needs beside the replay, about. `config` is one rank's share; each of `ranks` ranks makes
    every update."""
    updates = math.ceil(ranks * config.num_envs * config.updates_per_step)
    goals = config.goals_per_image * config.batch_size
    updates_each = updates * config.updates_per_encoding
    if config.view is None or not config.sees_images:
        return learner_bytes(config.hidden_width, config.hidden_depth, goals, updates_each)
    maps = _maps(config, config.view.shape[-1] * config.frame_stack)
    features = math.prod(maps[-1]) if config.pooling == "simnorm" else 64
    need = learner_bytes(config.hidden_width, config.hidden_depth, goals, updates_each, features)
    if "curl" in config.auxiliary_weights:
        need += TRAINED * features**2  # its bilinear form
    if config.encoder == "pretrained" and not config.freeze:
        need += TRAINED * describe(config).parameters
    passes = ROUTINGS[config.gradients].encoders
    passes += sum(max(1, AUXILIARIES[name].horizon) for name in config.auxiliary_weights)
    need += passes * encoder_bytes(maps, config.batch_size, updates)
    return need


def _maps(config: Config, channels: int) -> list[tuple[int, ...]]:
    """Shapes of an observation's images, and of the outputs of its encoder's layers."""
    if config.encoder != "pretrained":
        return [*shapes(config.encoder, channels + 2 * config.coord_conv, envs.SIZE)]
    if config.freeze:
        return [(2 * embedding_size(config) * config.frame_stack,)]  # bytes of float16
    each = describe(config)
    return [(channels, envs.SIZE, envs.SIZE), (each.size,), *each.maps * (channels // 3)]


def observation_bytes(config: Config, vector_size: int, goal_size: int, action_size: int) -> int:
    """Bytes of one stored observation, in memory."""
    pixels = 0
    if config.view is not None and config.stores_images and not config.replay_on_disk:
        pixels = math.prod(config.view.shape)
    if config.freeze:
        pixels = 2 * embedding_size(config)  # float16
    return replay_bytes(1, vector_size + config.keeps_estimates * goal_size, goal_size, action_size, pixels)


def step_bytes(config: Config) -> int:
    """Bytes of one stored observation, in memory, of the configuration's environment."""
    example = envs.make_vec(config.env_id, 1, workers=0)
    space = example.single_observation_space
    goal_size = config.goal_size(space)
    action_size = int(np.prod(example.single_action_space.shape))  # type: ignore[arg-type]
    example.close()
    vector_size = config.vector_size(space) + config.state_size(space)
    return observation_bytes(config, vector_size, goal_size, action_size)


def run_needs(config: Config, device: torch.device) -> dict[torch.device, int]:
    """Bytes of a whole run, about, by device: a GPU's own memory, or the machine's.

    A replay on "auto" is counted on the GPU, where it goes if it fits.
    """
    one = step_bytes(config)
    cpu = torch.device("cpu")
    learner = cpu if shares_memory(device) else device
    in_host = config.replay_device == "cpu" or config.replay_on_disk
    needs = {cpu: PROCESS}
    needs[learner] = needs.get(learner, 0) + learner_need(config)
    needs[cpu if in_host else learner] += one * config.buffer_size
    if config.view is not None and config.goals == "latent":  # as they are collected, joined, and parted for a test
        needs[cpu] += 3 * config.latent_frames * math.prod(config.view.shape)
    return needs


class Disk(NamedTuple):
    """Folder for images, bytes per image, and free bytes."""

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
    """Device of the replay, and a sentence on its size, the free memory, and the capacity that fits comfortably.

    Args:
        config, part: the run's configuration, and this rank's share.
        device: the learner's.
        each: bytes of an observation in memory.
        disk: folder of images whose file does not exist yet.

    Raises:
        UserError: if the replay fits nowhere; names the largest capacity that fits.
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
        same = place == device or shares_memory(device)  # memory that the networks take from too
        all_take_from_it = ranks.local_count if shares_memory(place) else 1
        have = max(0, available_bytes(place) // all_take_from_it - same * need_beside)
        fit = max(fit, _multiple(FILLED * have * ranks.count / each, ranks.count))
        if need <= have:
            of_each = " of each rank" if ranks.count > 1 else ""
            times = times_overwritten(config.total_steps, config.buffer_size)
            return place, (
                f"replay: {part.buffer_size} observations{of_each} in {need / 2**30:.2f} GiB of {_gib(have)} free on "
                f"{place}{on_disk}, overwritten {times}; {min(fit, fit_on_disk)} would fit with a fifth to spare"
            )
    raise UserError(
        f"the replay of {part.buffer_size} observations needs {_gib(need)}, but {_gib(have)} are free on {place} "
        f"beside the networks: --buffer-size {fit} would fit with a fifth to spare."
    )


def _multiple(count: float, of: int) -> int:
    """Greatest multiple of `of` that is not above `count`."""
    return int(count) // of * of


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
