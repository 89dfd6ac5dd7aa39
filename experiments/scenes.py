"""Scenes from an agent's own episodes, and what the commands that look at them share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training import checkpoint, cli, run_folder
from training.check import check
from training.errors import UserError
from training.player import Player


def player_of(name: str) -> Player:
    """The agent of a run's folder, or the untrained one of what train.py would be told. Raises UserError if it sees no
    pictures."""
    if (Path(name) / run_folder.CONFIG).is_file():
        config, trained = run_folder.saved_config(Path(name)), True
    else:
        config, trained = cli.parse(name.split()), False
    if not config.layout.pixels:
        raise UserError(f"{name} sees no pictures (--obs {config.obs}): name a run or a preset that does.")
    config = dataclasses.replace(config, device="cpu")
    check(config)
    player = Player(config, workers=0)
    try:
        if trained:
            player.load(Path(name) / checkpoint.MODEL)
    except UserError:
        player.close()
        raise
    return player


def scenes(player: Player, steps: int, random_actions: float = 0.0) -> dict[str, NDArray[Any]]:
    """Play `steps` steps in every evaluation environment, taking uniformly random actions with that probability.

    Returns:
        pixels (N, 84, 84, stack * 3 C) uint8 and vector (N, V) float32 of every step; poses (M, P) and next_poses
        (M, P) of the M <= N steps that did not end an episode.
    """
    if steps < 1 or not 0 <= random_actions <= 1:
        raise UserError("--steps is at least 1, and --random-actions lies between 0 and 1.")
    vector_env, policy, rng = player.eval_envs, player.policy, np.random.default_rng(0)
    obs, _ = vector_env.reset(seed=player.seeds["final_evaluation"])
    frames, opens = policy.watch(), np.ones(vector_env.num_envs, bool)
    found: dict[str, list[NDArray[Any]]] = {"pixels": [], "vector": [], "poses": [], "next_poses": []}
    for _ in range(steps):
        seen = policy.see(obs, frames, opens)
        action = policy.scale(policy.act(seen, deterministic=True))
        random = rng.random(len(action)) < random_actions
        action[random] = rng.uniform(-1, 1, action.shape)[random]
        before = np.stack(vector_env.call("pose"))
        assert seen.pixels is not None
        found["pixels"].append(seen.pixels.numpy().copy())
        found["vector"].append(seen.vector.numpy())
        obs, _, terminated, truncated, _ = vector_env.step(action)
        opens = terminated | truncated
        going_on = ~opens  # where an episode ended, the next pose is another episode's
        found["poses"].append(before[going_on])
        found["next_poses"].append(np.stack(vector_env.call("pose"))[going_on])
    return {name: np.concatenate(parts) for name, parts in found.items()}


@torch.no_grad()
def features(player: Player, pixels: NDArray[np.uint8], vector: NDArray[np.float32]) -> torch.Tensor:
    """What the critic would read, and the actor too unless it has an encoder of its own, (N, F)."""
    agent = player.agent
    return agent.encoder(agent.vector_normalizer(torch.from_numpy(vector)), torch.from_numpy(pixels)).features
