"""Latent goals of a configuration: built, and their autoencoder trained and tested before a run begins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor

import envs
from goals import LatentGoals
from goals.autoencoder import Examples
from goals.spatial import SpatialAutoencoder
from goals.vae import VAE
from training import frames
from training.config.flags import Config
from training.progress import Counted

TOLD = 10  # numbers of proprioception
HELD_OUT = 5  # one in so many episodes is held out from the autoencoder, for testing


def make_latent_goals(config: Config, device: torch.device, seed: int) -> LatentGoals:
    """Latent goals with an untrained autoencoder, whose weights depend on the seed alone."""
    assert config.view is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        autoencoder = make_autoencoder(
            config.latent_model,
            channels=config.view.shape[-1],
            latents=config.latent_size,
            crop=config.latent_crop,
            beta=config.latent_beta,
            told=TOLD if config.tells_robot else 0,
        ).to(device)
    return LatentGoals(
        autoencoder,
        envs.GoalImages(envs.find_spec(config.env_id), config.view),
        sparse=config.latent_reward == "sparse",
        threshold=config.latent_threshold,
        skewed=config.goal_sampling == "skewed",
        shown=config.latent_input != "off",
        seed=seed,
    )


def make_autoencoder(
    model: str, channels: int, latents: int, crop: int, beta: float, told: int
) -> SpatialAutoencoder | VAE:
    """The autoencoder of a --latent-model; a spatial one has no number of latents, crop and beta to choose."""
    if model == "spatial":
        return SpatialAutoencoder(channels, envs.SIZE, told)
    return VAE(latents, channels, crop, beta, told)


def pretrain(space: LatentGoals, config: Config, seed: int, tell: Callable[[str], object]) -> None:
    """Train the autoencoder on --latent-frames images, and report how well a linear regression reads the object's
    position off the latents, in held-out episodes. Nothing is trained by that regression."""
    counted = functools.partial(Counted, tell)
    count, render = config.latent_frames, cast(envs.GoalImages, space.render)
    played = frames.play(config.env_id, render, count, seed, counted("playing for the autoencoder", count, "images"))
    pixels, fitted = torch.from_numpy(played.pixels), torch.from_numpy(played.episode % HELD_OUT != 0)
    told = torch.from_numpy(played.proprioception)[:, : space.autoencoder.told]
    examples = Examples(pixels[fitted], told[fitted])
    space.autoencoder.begin(examples)
    tell_updates = counted("training the autoencoder", config.latent_updates, "updates")
    warm_up = config.latent_warm_up if config.tells_robot else 0
    space.learn(examples, config.latent_updates, tell=tell_updates, warm_up=warm_up)
    latent = space.encode(pixels)
    position, on_table = torch.from_numpy(played.position[:, :2]), torch.from_numpy(played.on_table)
    found = r_squared(latent, position, fitted & on_table, ~fitted & on_table)
    tell(
        f"R2 of the object's x and y from the latents: {found.score:.2f}, median error {100 * found.median:.1f} "
        "cm, in episodes that it was not trained on."
    )


class Readout(NamedTuple):
    """Errors of a linear regression on rows outside its fit."""

    score: float  # R2
    median: float  # distance of its outputs from the true ones


def r_squared(inputs: Tensor, outputs: Tensor, fitted: Tensor, tested: Tensor) -> Readout:
    """R2 of a linear regression with a constant: 1 - sum of squared residuals / sum of squared differences from the
    mean, both over all columns of the tested rows.

    Args:
        inputs (N, Z), outputs (N, G): float64.
        fitted, tested: (N,) bool.
    """
    design = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
    weights = torch.linalg.lstsq(design[fitted], outputs[fitted], driver="gelsd").solution
    residuals = design[tested] @ weights - outputs[tested]
    spread = outputs[tested] - outputs[tested].mean(0)
    score = 1 - residuals.square().sum() / spread.square().sum()
    return Readout(score.item(), residuals.norm(dim=1).median().item())
