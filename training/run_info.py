"""Description of a run when it begins: configuration, versions, device."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import torch
from rich.console import Console

import envs
from agent.accelerate import has_bfloat16
from envs.registry import GOAL_KEYS
from training import run_folder
from training.config import busy
from training.config.flags import Config
from training.errors import UserError
from training.gpu_updates import CudaGraphUpdates
from training.logger import Logger, rows_to_continue
from training.trainer import Trainer

PACKAGES = ("torch", "gymnasium", "gymnasium-robotics", "mujoco", "numpy")


def log_run_info(trainer: Trainer, folder: Path, step: int, console: Console) -> Logger:
    """Describe the run on the console, in its folder and in TensorBoard; return the logger of its rows."""
    rows_to_continue(folder)  # what is damaged is found before anything is written
    config = dataclasses.replace(trainer.config, run_dir=str(folder), resume=None, resume_without_replay=False)
    console.print(trainer.memory_report, soft_wrap=True)
    if trainer.ranks.count == 1 and (sentence := busy.notice(config, trainer.device)) is not None:
        console.print(sentence, soft_wrap=True)
    observed = cast(gym.spaces.Dict, trainer.train_envs.single_observation_space)
    if unread := sorted(observed.keys() - {*GOAL_KEYS, envs.PIXELS}):
        message = f"{config.env_id} observes {', '.join(unread)} too, which nothing reads: put it into 'observation'."
        console.print(message, soft_wrap=True)
    versions = write_run_info(folder, config, trainer)
    if config.accelerate == "max" and trainer.why_no_cuda_graph is not None:
        message = f"--accelerate max is auto here, without a CUDA graph of the update: {trainer.why_no_cuda_graph}."
        console.print(message, soft_wrap=True)
    if trainer.gl_renderer is not None and trainer.device.type == "cuda" and envs.is_software(trainer.gl_renderer):
        message = f"The learner is on {trainer.device}, but images are rendered on the CPU ({trainer.gl_renderer})."
        console.print(message, soft_wrap=True)
    return Logger(folder, step, {**dataclasses.asdict(config), **versions})


def write_run_info(folder: Path, config: Config, trainer: Trainer) -> dict[str, Any]:
    """Write config.json and versions.json; return the latter."""
    versions = {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        **run_folder.commit(),
        "cores": os.cpu_count(),
        "cuda_graph": isinstance(trainer.updates, CudaGraphUpdates),  # the update as a CUDA graph
        "ranks": trainer.ranks.count,  # processes that learned as one
        "threads": torch.get_num_threads(),
        "has_bfloat16": has_bfloat16(trainer.device),  # what --accelerate auto goes by
        "gl_renderer": trainer.gl_renderer,
        "device": device_name(trainer.device),
        "replay_device": str(trainer.replay_device),  # what --replay-device auto came to
    }
    earlier = folder / run_folder.VERSIONS
    before = _read_versions(earlier) if earlier.exists() else None
    run_folder.write_json(folder / run_folder.CONFIG, json.loads(config.to_json()))
    # Versions at the run's beginning stay; those of each resume are appended.
    run_folder.write_json(earlier, before | {"resumed": [*before.get("resumed", []), versions]} if before else versions)
    return versions


def _read_versions(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): remove it, and versions are written anew.") from None
    if not isinstance(found, dict) or not isinstance(found.get("resumed", []), list):
        raise UserError(f"{path} is damaged (no versions): remove it, and versions are written anew.")
    return found


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
