"""Measures of Stable-Baselines3 that are counted rather than timed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.sb3 import Updating, build, make_envs
from benchmarks.sb3_encoder import Manipulation
from benchmarks.settings import Settings


def encoder_passes(settings: Settings) -> float:
    """Batches of images that go through an encoder in one update."""
    updating, rows = Updating(settings), 0
    model = updating.model

    def count(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal rows
        rows += len(output)

    for module in model.policy.modules():
        if isinstance(module, Manipulation):
            module.register_forward_hook(count)
    model.train(1, settings.batch_size)
    updating.close()
    return rows / settings.batch_size


def bytes_per_transition(settings: Settings) -> float:
    """Bytes of the replay's arrays per transition."""
    vec = make_envs(replace(settings, num_envs=1), subprocesses=False)
    model = build(replace(settings, num_envs=1, buffer_size=100), vec)
    buffer: Any = model.replay_buffer
    tables = [*buffer.observations.values(), *buffer.next_observations.values()]
    tables += [array for array in vars(buffer).values() if isinstance(array, np.ndarray)]
    vec.close()
    return sum(table.nbytes for table in tables) / buffer.buffer_size
