"""Building a vector of environments from an id and a few settings."""

from __future__ import annotations

import dataclasses
import os

from envs.registry import find_spec
from envs.rendering.cameras import CameraConfig, check_cameras
from envs.vector import GoalVectorEnv


def make_vec(
    env_id: str,
    num_envs: int,
    *,
    view: CameraConfig | None = None,
    workers: int | None = None,
    seed: int | None = None,
    max_episode_steps: int | None = None,
) -> GoalVectorEnv:
    """Build `num_envs` environments of `env_id` behind gymnasium's vector API.

    Args:
        env_id: a registered goal environment with Dict observations of Boxes.
        num_envs: number of environments.
        view: cameras of the observation's "pixels"; None renders no images.
        workers: processes to spread the environments over, at most one per environment; 0 steps them in this process;
            None takes the number of cores minus one.
        seed: seed of the first `reset()` without a seed of its own; environment i gets seed + i.
        max_episode_steps: steps after which an episode is truncated; None for the environment's own limit.

    Raises:
        ValueError: for an unknown id or camera, or a number that makes no sense.
        WorkerError: if a worker cannot build its environments.
    """
    if view is not None:
        check_cameras(view.cameras)
    if num_envs < 1:
        raise ValueError(f"A vector of {num_envs} environments makes no sense: ask for 1 or more.")
    if workers is not None and workers < 0:
        raise ValueError(f"{workers} workers make no sense: ask for 0 (none) or more, or None (by core count).")
    spec = find_spec(env_id)
    if max_episode_steps is not None:
        spec = dataclasses.replace(spec, max_episode_steps=max_episode_steps)
    return GoalVectorEnv(spec, num_envs, cores() - 1 if workers is None else workers, seed, view)


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
