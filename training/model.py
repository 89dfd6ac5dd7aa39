"""The networks of a configuration, and loading them from a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch

import envs
from agent import Agent, NetworkConfig, accelerate
from agent.routing import ROUTINGS
from auxiliary import AUXILIARIES, Auxiliary, GoalRegression, Sizes
from encoders import Backbone, Encoder, PixelEncoder, PretrainedEncoder, VectorEncoder
from goals import EnvironmentGoals, GoalSpace, LatentGoals
from training import checkpoint, run_folder
from training.config import pretrained
from training.config.flags import Config
from training.errors import UserError
from training.latent import make_latent_goals


def make_goal_space(config: Config, observations: gym.Space, device: torch.device, seed: int) -> GoalSpace:
    """Goal space of a configuration, for one environment's observation space. A learned goal space starts from weights
    that depend on the seed alone."""
    if config.goals == "latent":
        return make_latent_goals(config, device, seed)
    return EnvironmentGoals(config.goal_size(observations), envs.reward_when_needed(config.env_id))


def network_config(config: Config, observations: gym.Space, actions: gym.Space, goal_size: int) -> NetworkConfig:
    """Sizes of actor and critics, for the spaces of one environment and goals of `goal_size` numbers."""
    return NetworkConfig(
        vector_size=config.vector_size(observations),
        goal_size=goal_size,
        latent_size=config.latents if config.latent_input != "off" else 0,
        action_size=int(np.prod(actions.shape)),  # type: ignore[arg-type]
        state_size=config.state_size(observations),
        width=config.hidden_width,
        depth=config.hidden_depth,
        layer_norm=config.layer_norm,
        normalize=config.normalize,
        # Latents have a scale of about 1. Desired ones show the arm in one place: their statistics are not the others'.
        normalize_goal=config.goals != "latent",
    )


def make_agent(config: Config, networks: NetworkConfig, device: torch.device, encoder_seed: int, seed: int) -> Agent:
    """Agent of a configuration, with initial weights that depend on the seeds alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(encoder_seed)
        encoders: list[Encoder] = []
        for _ in range(ROUTINGS[config.gradients].encoders if config.sees_images else 1):
            encoders.append(_make_encoder(config, networks.vector_size))
        auxiliaries: dict[str, Auxiliary] = {}
        if config.goal_loss:
            size = encoders[0].feature_size
            auxiliaries["goal_regression"] = GoalRegression(size, networks.goal_size, config.goal_loss)
        if config.sees_images:
            assert config.view is not None
            height, width, channels = config.view.shape
            shape = height, width, channels * config.frame_stack
            sizes = Sizes(encoders[0].feature_size - networks.vector_size, networks.action_size, shape)
            for name, weight in config.auxiliary_weights.items():
                auxiliaries[name] = AUXILIARIES[name](encoders[0], sizes, weight)
    return Agent(
        encoders,
        networks,
        target_encoder=config.target_encoder,
        auxiliaries=auxiliaries,
        goal_input=config.goal_input,
        goal_from_estimate=config.goals_from_estimate,
        goal_motion=config.goal_motion,
        goal_from_state=config.relative_goals and not config.layout.shows_achieved,
        device=device,
        seed=seed,
    )


def _make_encoder(config: Config, vector_size: int) -> Encoder:
    if not config.sees_images:
        return VectorEncoder(vector_size)
    assert config.view is not None
    if config.encoder == "pretrained":
        size = pretrained.embedding_size(config) * config.frame_stack
        backbone = None if config.freeze else _make_backbone(config)
        return PretrainedEncoder(backbone, size, config.pooling, vector_size, config.feature_norm)
    return PixelEncoder(
        config.encoder,
        config.pooling,
        config.view.shape[-1] * config.frame_stack,
        envs.SIZE,
        vector_size,
        feature_norm=config.feature_norm,
        temperature=config.softmax_temperature,
        coord_conv=config.coord_conv,
        pixel_scale=config.pixel_scale,
    )


def _make_backbone(config: Config) -> Backbone:
    pretrained.describe(config)  # raises UserError if there is none
    assert config.weights is not None
    return Backbone(config.weights, config.weights_side)


def make_frozen(config: Config, device: torch.device) -> Backbone | None:
    """Frozen network that turns each image into features before agent and replay see it; None if there is none."""
    if config.view is None or not config.freeze:
        return None
    backbone = _make_backbone(config)
    if config.accelerate != "off":
        backbone.fold_norms()
    return backbone.to(device, torch.bfloat16 if in_bfloat16(config, device) else torch.float32)


def in_bfloat16(config: Config, device: torch.device) -> bool:
    """Whether the networks compute in bfloat16, where that does no harm."""
    return config.accelerate != "off" and accelerate.has_bfloat16(device)


def accelerate_networks(agent: Agent, config: Config) -> None:
    """Make the networks faster on the agent's device: bfloat16, and on a CPU chunks of images that fit its cache."""
    if in_bfloat16(config, agent.device):
        accelerate.use_bfloat16(agent)
    if agent.device.type == "cpu":
        accelerate.fit_cache(agent)


class Saved(NamedTuple):
    """Training steps and score of a saved model."""

    step: int  # environment steps that it was trained for
    score: float | None  # success rate for which it was kept as the best; None for any other model


def load_policy(agent: Agent, goal_space: GoalSpace, file: Path) -> Saved:
    """Load a saved model. Raises UserError if the file is no model, or one of other networks."""
    model = checkpoint.load(file, "cpu")
    try:
        agent.load_policy_state(model["policy"])
        if isinstance(goal_space, LatentGoals):
            goal_space.load_policy_state(model["goals"])
        return Saved(int(model["step"]), model.get("score"))
    except (KeyError, RuntimeError):
        raise UserError(f"{file} does not fit {run_folder.CONFIG}.") from None
