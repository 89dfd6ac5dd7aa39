"""What a run will take of the machine's memory, counted before it starts."""

from __future__ import annotations

import math

import numpy as np
import torch

import envs
from agent.routing import ROUTINGS
from encoders import shapes
from training import memory
from training.config import Config

PROCESS = 700 * 2**20  # bytes of a run with next to nothing in it: torch, environments, a worker


def learner_need(config: Config, ranks: int = 1) -> int:
    """Bytes that learning takes beside the replay, about; `config` is a share, of so many ranks, which all make every
    update."""
    updates = math.ceil(ranks * config.num_envs * config.updates_per_step)
    goals = config.goals_per_image * config.batch_size
    need = memory.learner_bytes(config.hidden_width, config.hidden_depth, goals, updates * config.head_updates)
    if config.view is not None:
        channels = config.view.shape[-1] * config.frame_stack + 2 * config.coord_conv
        maps = shapes(config.encoder, channels, envs.SIZE)
        need += ROUTINGS[config.routing].encoders * memory.encoder_bytes(maps, config.batch_size, updates)
    return need


def observation_bytes(config: Config, vector_size: int, goal_size: int, action_size: int) -> int:
    """Of a stored observation, in memory."""
    pixels = 0 if config.view is None or config.replay_on_disk else math.prod(config.view.shape)
    return memory.replay_bytes(1, vector_size, goal_size, action_size, pixels)


def run_needs(config: Config, device: torch.device) -> dict[torch.device, int]:
    """Bytes of a whole run, about, by where it takes them: a GPU's own memory, or the machine's.

    A replay that is left to "auto" is counted on the GPU, where it goes if it fits.
    """
    example = envs.make_vec(config.env_id, 1, workers=0)
    space = example.single_observation_space
    goal_size = int(np.prod(space["desired_goal"].shape))  # type: ignore[index]
    action_size = int(np.prod(example.single_action_space.shape))  # type: ignore[arg-type]
    example.close()
    one = observation_bytes(config, envs.vector_size(space, config.layout), goal_size, action_size)
    cpu = torch.device("cpu")
    learner = cpu if memory.shares_memory(device) else device
    in_host = config.replay_device == "cpu" or config.replay_on_disk
    needs = {cpu: PROCESS}
    needs[learner] = needs.get(learner, 0) + learner_need(config)
    needs[cpu if in_host else learner] += one * config.buffer_size
    return needs
