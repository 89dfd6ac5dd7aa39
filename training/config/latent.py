"""Flags of latent goals (images of goals, encoded by an autoencoder), and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from training.config.flags import Config

HONEST = ("honest", "pixels-only")  # layouts with images and without the object's position


@dataclass(frozen=True)
class Latent:
    goals: Literal["environment", "latent"] = "environment"
    """Goals: the environment's own numbers, or latent, what an autoencoder makes of an image of the goal. Rewards are
    then distances in latent space, and the networks do not see the environment's numbers of a goal. For Fetch tasks
    with an object, with --obs honest or pixels-only, and --goal-noise 0 and --goal-tries 1 while latents hold the arm.
    """
    latent_model: Literal["vae", "spatial"] = "vae"
    """Autoencoder: a VAE (RIG); or spatial, whose latents are a place in each camera's image. Its decoder is told the
    robot's own numbers, so the place is that of what these do not explain: the object."""
    goal_sampling: Literal["prior", "skewed"] = "prior"
    """Source of imagined goals (--prior-ratio): prior, the VAE's prior N(0, I), as in RIG; or skewed, stored images
    sampled in proportion to 1 / p(image) under the VAE, which is trained further, as in Skew-Fit. If fewer than a tenth
    of the images would count, the power of p rises from -1 towards 0 until a tenth count."""
    prior_ratio: float = 0.5
    """Fraction of a minibatch with imagined goals (--goal-sampling), part of --her-ratio: at 0.9 of that, as in RIG, a
    tenth keeps its own goal, and four tenths get one from later in their episode. A spatial model has no prior: 0."""
    latent_reward: Literal["distance", "sparse"] = "distance"
    """Reward of a latent goal: minus the distance in latent space, or -1 until it is reached and then 0."""
    latent_threshold: float = 1.0
    """Distance in latent space below which a latent goal is reached. With the other defaults, images of two goals that
    lie 5 cm apart are 1.0 apart in the median; by --latent-model spatial, 1.1 from the cameras close and mirror, 0.7
    from front alone."""
    latent_input: Literal["off", "concat", "alone"] = "off"
    """What actor and critics read of an image: off, its features; concat, its latent too, and goals relative to it;
    alone, the latent in the place of the image, as in RIG. Then no encoder is trained."""
    latent_conditional: bool = False
    """Tell a VAE's decoder the robot's own numbers (a conditional VAE), so that latents need not hold where the arm is:
    most of a distance between latents is then the object's."""
    latent_size: int = 32
    """Number of a VAE's latents."""
    latent_beta: float = 1.0
    """Weight of a VAE's KL divergence. The loss is per image: half the squared error, summed over all pixels and
    channels in [0, 1], + beta times the KL in nats, summed over latents. 1 gives the ELBO of a decoder of unit
    variance; per pixel, beta would be that many times smaller. `python -m analysis.gate` tries some."""
    latent_crop: int = 48
    """Side in pixels of the crop that a VAE reads, from the middle of each 84x84 image."""
    latent_frames: int = 8_000
    """Images from short random and guided episodes, four per episode, collected before the run begins: training takes
    four fifths and a test the rest. Their 32,000 steps do not count among --total-steps."""
    latent_updates: int = 600
    """Updates of the autoencoder on these images, 64 images each."""
    latent_warm_up: int = 500
    """With --latent-conditional, updates over which the weight of the KL divergence rises from 0: a decoder that is
    told much may otherwise begin late to use the latents. With --latent-model spatial, updates that learn what the
    robot's own numbers explain, before it seeks the object."""
    latent_every: int = 4_000
    """Environment steps between further trainings of the VAE on stored images, with --goal-sampling skewed. After each,
    all stored goals are encoded again."""
    latent_updates_again: int = 300
    """Updates of the VAE per further training."""


ONLY_VAE = ("latent_conditional", "latent_size", "latent_beta", "latent_crop")


def problems(config: Config) -> list[str]:
    """Problems with flags of latent goals and with flags that conflict with them, a sentence each."""
    if config.goals != "latent":
        return _idle(config, [one.name for one in fields(Latent)], "--goals latent")
    found = []
    if config.obs not in HONEST:
        found.append(f"--goals latent hides where the object is, which --obs {config.obs} shows: say --obs honest.")
    if config.critic_obs == "state":
        found.append("--goals latent hides the object's position from the critic too: leave out --critic-obs state.")
    if config.goal_loss:
        found.append("--goal-loss regresses the object's position in metres: say --goal-loss 0 with --goals latent.")
    if config.goal_tries > 1 and not config.tells_robot:
        found.append(
            "--goals latent cannot tell whether the object moved, for the arm moves latents too: say --goal-tries 1, "
            "--latent-conditional or --latent-model spatial."
        )
    if config.latent_input == "alone" and (config.auxiliary or config.shift_pad):
        found.append("--latent-input alone trains no encoder: leave out --auxiliary and --shift-pad.")
    if config.her_strategy == "none":
        found.append("--her-strategy none lends no goals: leave it out with --goals latent.")
    if config.goal_noise and not config.tells_robot:
        found.append(
            "--goals latent cannot move a goal without its arm: say --goal-noise 0, --latent-conditional or "
            "--latent-model spatial."
        )
    if config.freeze:
        found.append("--freeze stores no images, and --goals latent takes none but images: leave one of them out.")
    if config.show_goal_marker:
        found.append("--goals latent encodes images, and --show-goal-marker shows a goal in each: leave that out.")
    if config.latent_conditional and (config.obs != "honest" or config.proprioception != "full"):
        found.append("--latent-conditional tells the VAE the robot's ten numbers: say --obs honest, with all of them.")
    if config.latent_model == "spatial":
        found += [f"--latent-model spatial has no {flag}: leave it out." for flag in _given(config, ONLY_VAE)]
        if config.goal_sampling == "skewed" or config.prior_ratio:
            found.append("--latent-model spatial has no prior to imagine goals: say --prior-ratio 0, and not skewed.")
        if config.latent_warm_up >= config.latent_updates:
            found.append("--latent-warm-up takes all --latent-updates: leave some in which to seek the object.")
    elif not config.latent_conditional:
        found += _idle(config, ("latent_warm_up",), "--latent-conditional")
    if config.goal_sampling != "skewed":
        found += _idle(config, ("latent_every", "latent_updates_again"), "--goal-sampling skewed")
    if config.latent_reward != "sparse" and config.goal_tries == 1:  # further tries ask whether a goal was reached
        found += _idle(config, ("latent_threshold",), "--latent-reward sparse")
    if config.prior_ratio > config.her_ratio:
        found.append(
            f"--prior-ratio {config.prior_ratio} is part of --her-ratio, which is {config.her_ratio}: lower the first."
        )
    return found


def _given(config: Config, names: Sequence[str]) -> list[str]:
    """The flags among `names` that do not have their default."""
    defaults = {one.name: one.default for one in fields(Latent)}
    return ["--" + name.replace("_", "-") for name in names if getattr(config, name) != defaults[name]]


def _idle(config: Config, names: Sequence[str], needs: str) -> list[str]:
    """A sentence on flags that were set and mean nothing without the flag `needs`; none if all have their default."""
    given = _given(config, names)
    verb = "belong" if len(given) > 1 else "belongs"
    return [f"{', '.join(given)} {verb} to {needs}: say that too, or leave it out."] if given else []
