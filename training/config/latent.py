"""Flags of goals that are images, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from training.config.flags import Config

HONEST = ("honest", "pixels-only")  # layouts with images and without the object's position


@dataclass(frozen=True)
class Latent:
    goals: Literal["environment", "latent"] = "environment"
    """What a goal is: the environment's own numbers, or an image of the goal, as the latent mean that a VAE makes of
    it. Then rewards are distances in latent space, and of the environment's numbers the networks see nothing. For
    Fetch tasks with an object, with --obs honest or pixels-only, --goal-noise 0 and --goal-tries 1."""
    goal_sampling: Literal["prior", "skewed"] = "prior"
    """Where latent goals that no episode reached come from (--prior-ratio): the VAE's prior N(0, I), as in RIG; or
    stored images, each with a probability proportional to 1 / p(image) under the VAE, which is trained on again, as in
    Skew-Fit. Where fewer than a tenth of the images would count, the power is raised from -1
    towards 0 until a tenth count."""
    prior_ratio: float = 0.5
    """Fraction of a minibatch that gets such a goal. --her-ratio counts it in: with 0.9, as in RIG, a tenth keeps its
    own goal, and four tenths get one from later in their episode."""
    latent_reward: Literal["distance", "sparse"] = "distance"
    """Reward of a latent goal: minus the distance in latent space, or -1 until it is reached and then 0."""
    latent_threshold: float = 1.0
    """Distance in latent space below which a latent goal is reached. With the other defaults, images of two goals that
    lie 5 cm apart are 1.1 apart in the median."""
    latent_size: int = 32
    """Latents of the VAE."""
    latent_beta: float = 1.0
    """Weight of the VAE's KL divergence. Its unit is an image: half the squared error of an image, summed over all of
    its pixels and channels in [0, 1], + beta times the KL in nats, summed over latents. At 1 that is the ELBO of a
    decoder of unit variance. Per pixel it would be that many times smaller: `python -m analysis.gate` tries some."""
    latent_crop: int = 48
    """Pixels a side that the VAE reads, in the middle of each image of 84."""
    latent_frames: int = 8_000
    """Images of short random and guided episodes, four of each, that the VAE is trained on before the run begins, all
    but a fifth. Their 32,000 steps do not count among --total-steps."""
    latent_updates: int = 600
    """Updates of the VAE on them, of 64 images each."""
    latent_every: int = 4_000
    """Environment steps after which the VAE of --goal-sampling skewed is trained on again, on stored images, and all
    stored goals are encoded anew."""
    latent_updates_again: int = 300
    """Updates of the VAE each time."""


def problems(config: Config) -> list[str]:
    """Sentences on flags of latent goals, and on those that do not go with them."""
    if config.goals != "latent":
        given = [one.name for one in fields(Latent) if getattr(config, one.name) != one.default]
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        verb = "belong" if len(given) > 1 else "belongs"
        return [f"{flags} {verb} to --goals latent: say that too, or leave it out."] if given else []
    found = []
    if config.obs not in HONEST:
        found.append(f"--goals latent hides where the object is, which --obs {config.obs} shows: say --obs honest.")
    if config.critic_obs == "state":
        found.append("--goals latent hides the object's position from the critic too: leave out --critic-obs state.")
    if config.goal_loss:
        found.append("--goal-loss regresses the object's position in metres: say --goal-loss 0 with --goals latent.")
    if config.goal_tries > 1:
        found.append(
            "--goals latent cannot tell whether the object moved, for the arm moves latents too: say --goal-tries 1."
        )
    if config.her_strategy == "none":
        found.append("--her-strategy none lends no goals: leave it out with --goals latent, which lends imagined ones.")
    if config.goal_noise:
        found.append("--goals latent lends goals as they were reached or sampled: say --goal-noise 0.")
    if config.freeze:
        found.append("--goals latent encodes stored images anew, and --freeze stores none: leave it out.")
    if config.show_goal_marker:
        found.append("--show-goal-marker shows the VAE a goal in every image: leave it out with --goals latent.")
    if config.prior_ratio > config.her_ratio:
        found.append(
            f"--prior-ratio {config.prior_ratio} is part of --her-ratio, which is {config.her_ratio}: lower the first."
        )
    return found
