"""The networks of a configuration, and taking them over from a saved model."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import envs
from agent import ActorCritic, Heads, accelerate
from agent.routing import ROUTINGS
from encoders import PixelEncoder, VectorEncoder
from training import checkpoint, run_folder
from training.config import Config
from training.errors import UserError


def make_heads(config: Config, observations: gym.Space, actions: gym.Space) -> Heads:
    """Actor and critics for the spaces of one environment."""
    return Heads(
        vector_size=envs.vector_size(observations, config.layout),
        goal_size=int(np.prod(observations["desired_goal"].shape)),  # type: ignore[index]
        action_size=int(np.prod(actions.shape)),  # type: ignore[arg-type]
        width=config.hidden_width,
        depth=config.hidden_depth,
        layer_norm=config.layer_norm,
        normalize=config.normalize,
    )


def make_encoders(config: Config, heads: Heads, seed: int) -> list[nn.Module]:
    """As many as the routing has, with initial weights that depend on the seed alone."""
    if config.view is None:
        return [VectorEncoder(heads.vector_size)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [
            PixelEncoder(
                config.encoder,
                config.head,
                config.view.shape[-1] * config.frame_stack,
                envs.SIZE,
                heads.vector_size,
                feature_norm=config.feature_norm,
                coord_conv=config.coord_conv,
                pixel_scale=config.pixel_scale,
                goal_size=heads.goal_size if config.goal_loss else 0,
                goal_input=config.goal_input,
            )
            for _ in range(ROUTINGS[config.routing].encoders)
        ]


def in_bfloat16(config: Config, device: torch.device) -> bool:
    """Whether the networks compute in bfloat16, where that does no harm."""
    return config.accelerate != "off" and accelerate.has_bfloat16(device)


def accelerate_networks(agent: ActorCritic, config: Config) -> None:
    """Wrap the networks in what makes them faster on the agent's device."""
    if in_bfloat16(config, agent.device):
        accelerate.use_bfloat16(agent)
    if agent.device.type == "cpu":
        accelerate.fit_cache(agent)


def load_policy(agent: ActorCritic, file: Path) -> int:
    """Take over a saved model; returns the step it is of. Raises UserError if it is none, or of other networks."""
    model = checkpoint.load(file, "cpu")
    try:
        agent.load_policy_state(model["policy"])
        return int(model["step"])
    except (KeyError, RuntimeError):
        raise UserError(f"{file} does not fit {run_folder.CONFIG}.") from None
