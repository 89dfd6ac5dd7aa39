"""Checks before anything is written: what could only fail later is refused, in a sentence with its remedy."""

from __future__ import annotations

from dataclasses import fields

import envs
from agent.routing import ROUTINGS
from training.config import latent, pretrained
from training.config.flags import Config
from training.config.memory import available_bytes, learner_need
from training.config.pixels import Pixels
from training.config.resources import torch_device
from training.errors import UserError
from training.seeds import MOST_ENVS

_COUNT = (1, 1e12)
_RANGES: dict[str, tuple[float, float]] = {  # the least and the greatest
    "total_steps": _COUNT,
    "batch_size": _COUNT,
    "eval_every": _COUNT,
    "log_every": _COUNT,
    "save_every": _COUNT,
    "eval_episodes": (1, 1e6),
    "final_episodes": (1, 1e6),
    "num_envs": (1, MOST_ENVS),
    "hidden_width": (1, 65536),
    "hidden_depth": (1, 64),
    "seed": (0, 2**32 - 1),
    "learning_starts": (0, 1e12),
    "learning_rate_decay": (0, 1),
    "gamma": (0, 0.99999),
    "her_ratio": (0, 1),
    "goal_tries": (1, 100),
    "goal_noise": (0, 100),
    "n_step": (1, 100),
    "random_actions": (0, 1),
    "guided_episodes": (0, 1),
    "render_size": (envs.SIZE, 4096),
    "weights_side": (32, 512),
    "frame_stack": (1, 16),
    "shift_pad": (0, envs.SIZE),
    "goal_loss": (0, 1e6),
    "goals_per_image": (1, 1024),
    "updates_per_encoding": (1, 1024),
    "threads": (1, 256),
    "prior_ratio": (0, 1),
    "latent_size": (1, 1024),
    "latent_beta": (0, 1e6),
    "latent_crop": (8, envs.SIZE),
    "latent_frames": (50, 1e6),
    "latent_updates": (1, 1e7),
    "latent_updates_again": (1, 1e6),
    "latent_warm_up": (0, 1e7),
    "latent_every": _COUNT,
    "max_episode_steps": (1, 1e9),
}
_ABOVE_ZERO = {"updates_per_step": 1000, "learning_rate": 1, "tau": 1, "encoder_learning_rate": 1, "alpha": 1e6,
               "softmax_temperature": 1000, "save_minutes": 1e6, "latent_threshold": 1e6}  # fmt: skip
_LEFT_TO_US = {
    ("max_episode_steps", None),
    ("workers", None),
    ("threads", None),
    ("encoder_learning_rate", None),
    ("alpha", "auto"),
}


def problems(config: Config) -> list[str]:
    """Problems with the values alone, each a sentence with its remedy."""
    if config.proprio_indices is not None:
        try:
            envs.parse_indices(config.proprio_indices)
        except ValueError as error:
            return [f"--proprio-indices: {error}"]
    if found := _word_problems(config):
        return found
    return [
        *_numbers(config),
        *(_pixel_problems(config) if config.layout.pixels else _problems_without_pixels(config)),
        *latent.problems(config),
        *_resume_problems(config),
    ]


def _numbers(config: Config) -> list[str]:
    """Problems with numbers outside their range."""
    ranges = _RANGES | {
        "buffer_size": (3 * config.num_envs, 1e12),  # a transition, and the next episode's first observation
        "workers": (0, min(config.num_envs, 256)),
    }
    found = []
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if (name, value) not in _LEFT_TO_US and not low <= value <= high:  # true for NaN
            found.append(f"{_flag(name)} is {value}: it must be a number at least {low:g} and at most {high:g}.")
    for name, high in _ABOVE_ZERO.items():
        value = getattr(config, name)
        if (name, value) not in _LEFT_TO_US and not 0 < value <= high:
            found.append(f"{_flag(name)} is {value}: it must be a number above 0 and at most {high:g}.")
    return found


def _word_problems(config: Config) -> list[str]:
    """Problems with flags that have a syntax of their own."""
    found = []
    for flag, read in (("--exploration-noise", "noise_schedule"), ("--auxiliary", "auxiliary_weights")):
        try:
            getattr(config, read)
        except ValueError as error:
            found.append(f"{flag}: {error}")
    return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _resume_problems(config: Config) -> list[str]:
    found = []
    if config.resume and config.smoke:
        found.append("--smoke begins a run of its own: leave out --resume.")
    if config.resume_without_replay and not config.resume:
        found.append("--resume-without-replay says how to resume: name the run with --resume.")
    return found


def _pixel_problems(config: Config) -> list[str]:
    """Problems with pixel flags that conflict."""
    found, routing, weights = [], ROUTINGS[config.routing], config.auxiliary_weights
    if (config.proprio_indices is not None) != (config.obs == "pixels+vector+goal"):
        found.append("--proprio-indices names the numbers of --obs pixels+vector+goal: give both, or neither.")
    try:
        envs.check_cameras(config.cameras)
    except ValueError as error:
        found.append(f"--cameras: {error}")
    if config.softmax_temperature != 1 and config.pooling != "spatial-softmax":
        found.append(f"--softmax-temperature is of --pooling spatial-softmax, not of {config.pooling}: leave it out.")
    if config.shared_shift and not config.shift_pad:
        found.append("--shared-shift says how to shift: give --shift-pad, by how much.")
    if config.proprioception != "full" and "proprioception" not in envs.LAYOUTS[config.obs].vector:
        found.append(f"--proprioception {config.proprioception}: --obs {config.obs} has none to leave out.")
    if config.proprioception == "minimal" and config.proprio_indices is not None:
        found.append("--proprio-indices names the robot's numbers itself: leave out --proprioception minimal.")
    if config.goal_input != "off" and not config.goal_loss:
        found.append("--goal-input needs an estimate to show: give --goal-loss a weight.")
    if config.goal_loss and not config.normalize:
        found.append("--goal-loss regresses the normalised achieved goal: leave --normalize on.")
    if config.routing == "goal" and not (config.goal_loss or weights):
        found.append("--routing goal leaves the encoder to --goal-loss: give that a weight, or name an --auxiliary.")
    if weights and config.encoder == "pretrained":
        found.append("--auxiliary teaches convolutions of our own: leave it out with --encoder pretrained.")
    if config.critic_obs == "state" and config.routing != "actor":
        found.append("--critic-obs state leaves the encoder to the actor's loss: say --routing actor.")
    if config.critic_obs == "state" and config.target_encoder:
        found.append("--critic-obs state: the target critic reads no encoder, leave out --target-encoder.")
    if (config.goal_loss or weights) and config.gradients == "actor":
        given = "--goal-loss" if config.goal_loss else "--auxiliary"
        found.append(f"{given} goes through the critic's optimizer, which --routing actor keeps from the encoder.")
    if config.goal_loss and routing.encoders == 2:
        found.append("--goal-loss needs one encoder, and --routing separate has two: choose another routing.")
    if config.goal_input == "replace" and config.routing != "goal":
        found.append("--goal-input replace leaves the encoder to --goal-loss: say --routing goal too, or take concat.")
    if config.goal_motion and not config.keeps_estimates:
        found.append(
            "--goal-motion is that of estimates that the replay keeps (--goal-input replace, no target encoder): say "
            "--no-goal-motion."
        )
    return [*found, *pretrained.problems(config)]


def _problems_without_pixels(config: Config) -> list[str]:
    """Problem with flags of images that are set although the layout has no images."""
    if not config.layout.vector:
        return ["--proprioception none leaves the networks nothing but the goal: leave it out."]
    plain, names = Config(), [field.name for field in fields(Pixels)] + ["replay_on_disk"]
    given = [name for name in names if getattr(config, name) != getattr(plain, name)]
    if "proprioception" in given and "proprioception" in envs.LAYOUTS[config.obs].vector:
        given.remove("proprioception")
    flags = ", ".join(map(_flag, given))
    if not given:
        return []
    return [f"--obs {config.obs} has no images, without which {flags} means nothing: begin with a preset from state, "
            "such as push, in the place of these flags."]  # fmt: skip


def check_environment(config: Config) -> None:
    """Raise UserError for a configuration that contradicts itself, or whose environment cannot be used."""
    if found := problems(config):
        raise UserError(" ".join(found))
    try:
        envs.check_goal_env(config.env_id, config.max_episode_steps)
        if config.goals == "latent":
            envs.check_goal_images(config.env_id)
        envs.check_layout(config.obs, config.env_id, config.layout.indices)
        if config.view is not None:
            envs.check_view(envs.find_spec(config.env_id), config.view)
    except ValueError as error:
        raise UserError(str(error)) from None


def check_rendering(config: Config) -> None:
    """Raise UserError if images are needed and cannot be rendered."""
    if config.view is None:
        return
    try:
        envs.check_gl()
    except envs.RenderError as error:
        raise UserError(str(error)) from None


def check(config: Config) -> None:
    """Raise UserError for anything that could only fail later."""
    check_environment(config)
    if config.view is not None and config.encoder == "pretrained":
        pretrained.describe(config)
    check_rendering(config)
    if config.stop_rule:
        low, high = config.reward_range
        if config.goals != "environment" or high - low != 1:
            whose = f"{config.env_id}'s" if config.goals == "environment" else "those of latent goals"
            raise UserError(f"--stop-rule is tried on rewards that differ by 1, not on {whose}: leave it out.")
    most = min(config.buffer_size, config.total_steps)
    if config.batch_size > most:
        raise UserError(f"--batch-size {config.batch_size} is more than the {most} transitions there will ever be.")
    first = max(config.learning_starts, config.num_envs)
    if first >= config.total_steps:
        raise UserError(
            f"--total-steps {config.total_steps} leaves nothing to learn: the first update comes after {first} steps, "
            "the larger of --learning-starts and --num-envs."
        )
    need, have = learner_need(config), available_bytes(torch_device(config.device))
    if need > have:
        raise UserError(
            f"the networks and minibatches need about {need / 2**30:.1f} GiB, but {have / 2**30:.1f} GiB are free: "
            "lower --batch-size, --hidden-width, --hidden-depth, --updates-per-step or --goals-per-image."
        )
