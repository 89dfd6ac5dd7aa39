"""Building a vector of environments from an id and a few numbers."""

from __future__ import annotations

import os

from envs.layout import check_layout
from envs.registry import find_spec
from envs.vector import GoalVectorEnv


def make_vec(
    env_id: str, num_envs: int, *, obs: str = "state", workers: int | None = None, seed: int | None = None
) -> GoalVectorEnv:
    """Build `num_envs` environments of `env_id` behind gymnasium's vector API.

    Args:
        env_id: a registered goal environment with Dict observations of Boxes.
        num_envs: how many.
        obs: an observation layout, of `envs.layout.LAYOUTS`.
        workers: processes to spread the environments over, at most one per environment; 0 steps them here;
            None takes one per core but one, from the number of cores alone.
        seed: what the first `reset()` that names no seed uses; environment i gets seed + i.

    Raises:
        ValueError: for an unknown id or layout, or a number that makes no sense.
        WorkerError: if a worker cannot build its environments.
    """
    check_layout(obs)
    if num_envs < 1:
        raise ValueError(f"A vector of {num_envs} environments makes no sense: ask for 1 or more.")
    if workers is not None and workers < 0:
        raise ValueError(f"{workers} workers make no sense: ask for 0 (none) or more, or None (by core count).")
    return GoalVectorEnv(find_spec(env_id), num_envs, _cores() - 1 if workers is None else workers, seed)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
