"""Scenes from an agent's own episodes, for the commands that look at them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import envs
from training import checkpoint, run_folder
from training.config import cli
from training.config.validation import check
from training.errors import UserError
from training.evaluator import Evaluator
from training.rollout.exploration import Explorer
from training.rollout.policy import RawObservation


class Scenes(NamedTuple):
    """N steps of M environments, a row each: ordered by step, and within a step by environment."""

    obs: RawObservation  # arrays (N, ...) by key; "pixels" (N, 84, 84, stack * 3 C) uint8 are stacked
    next_obs: RawObservation  # what the step led to
    poses: NDArray[np.float64]  # (N, P) of `obs`
    next_poses: NDArray[np.float64]  # (N, P)


def is_run(name: str | Path) -> bool:
    """Whether `name` is a run's folder, whose agent is trained."""
    return (Path(name) / run_folder.CONFIG).is_file()


def evaluator_of(name: str, **changes: Any) -> Evaluator:
    """Evaluator with a run's agent, or with an untrained one, if `name` holds arguments of train.py; `changes` override
    flags. Raises UserError if the agent sees no images, or those of another task than a Fetch task."""
    trained = is_run(name)
    config = run_folder.saved_config(Path(name)) if trained else cli.parse(name.split())
    if not config.layout.pixels:
        raise UserError(f"{name} sees no images (--obs {config.obs}): name a run or a preset that does.")
    config = dataclasses.replace(config, device="cpu", **changes)
    check(config)
    if not envs.is_restorable(config.env_id):
        raise UserError(f"{name} is of {config.env_id}, and this looks into the scenes of Fetch tasks alone.")
    evaluator = Evaluator(config, workers=0)
    try:
        if trained:
            evaluator.load(Path(name) / checkpoint.MODEL)
    except UserError:
        evaluator.close()
        raise
    return evaluator


def scenes(evaluator: Evaluator, steps: int, random_actions: float = 0.0, guided_episodes: float = 0.0) -> Scenes:
    """Play `steps` steps in every evaluation environment, exploring as training does while all episodes fail.

    Steps that end an episode are left out: the pose after them is another episode's.

    Args:
        random_actions, guided_episodes: as `Explorer`'s. With neither, the agent's actions without noise.

    Raises:
        UserError: if a number is out of range.
    """
    if steps < 1:
        raise UserError("--steps is at least 1.")
    if not 0 <= random_actions <= 1:
        raise UserError("--random-actions lies between 0 and 1.")
    vector_env, policy = evaluator.eval_envs, evaluator.policy
    explorer = Explorer(
        num_envs=vector_env.num_envs,
        action_size=evaluator.action_size,
        random_actions=random_actions,
        guided_episodes=guided_episodes,
        grasps=not vector_env.get_attr("block_gripper")[0],
        device=evaluator.device,
        seed=evaluator.seeds["exploration"],
    )
    obs, _ = vector_env.reset(seed=evaluator.seeds["final_evaluation"])
    opens, frames, stack = np.ones(vector_env.num_envs, bool), policy.new_frames(), policy.new_frames()
    shown, poses = policy.observe(obs, frames, opens), np.stack(vector_env.call("pose"))
    images = stack.push(obs[envs.PIXELS], opens)
    found: list[Scenes] = []
    for _ in range(steps):
        explorer.begin(torch.from_numpy(np.flatnonzero(opens)), success_rate=0.0)
        action = explorer.explore(policy.act(shown, deterministic=True).action, way_to_object(obs))
        next_obs, _, terminated, truncated, _ = vector_env.step(policy.scale(action))
        opens = terminated | truncated
        next_shown, next_poses = policy.observe(next_obs, frames, opens), np.stack(vector_env.call("pose"))
        next_images, going_on = stack.push(next_obs[envs.PIXELS], opens), ~opens
        found.append(
            Scenes(
                _rows(obs, images, going_on),
                _rows(next_obs, next_images, going_on),
                poses[going_on],
                next_poses[going_on],
            )
        )
        obs, shown, poses, images = next_obs, next_shown, next_poses, next_images
    return Scenes(*(_joined(parts) for parts in zip(*found, strict=True)))


def way_to_object(obs: RawObservation) -> torch.Tensor | None:
    """Vector from the gripper to the object in metres, (N, 3) float32; None in a task without object."""
    if not envs.has_object(obs["observation"].shape[1]):
        return None
    return torch.from_numpy(envs.take(obs["observation"], ["object_rel_pos"])).to(torch.float32)


def _rows(obs: RawObservation, images: torch.Tensor, rows: NDArray[np.bool_]) -> RawObservation:
    """Copies of the `rows` of `obs`, with stacked images."""
    return {name: values[rows] for name, values in (obs | {envs.PIXELS: images.numpy()}).items()}


def _joined(parts: Any) -> Any:
    """Concatenate arrays, or observations key by key."""
    if isinstance(parts[0], dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate(parts)
