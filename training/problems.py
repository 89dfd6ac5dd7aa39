"""What is wrong with a configuration's values, each a sentence with its mend."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING

import envs
from agent.routing import ROUTINGS

if TYPE_CHECKING:
    from training.config import Config


def problems(config: Config) -> list[str]:
    """What is wrong with the values alone, each a sentence with its mend."""
    found: list[str] = []

    def need(name: str, low: float, high: float, low_open: bool = False) -> None:
        value = getattr(config, name)
        inside = (low < value if low_open else low <= value) and value <= high  # false for NaN
        if not inside:
            bound = f"above {low:g}" if low_open else f"at least {low:g}"
            limit = "" if math.isinf(high) else f" and at most {high:g}"
            found.append(f"--{name.replace('_', '-')} is {value}: it must be a number {bound}{limit}.")

    for name in ("total_steps", "batch_size", "eval_every", "log_every", "save_every"):
        need(name, 1, 1e12)
    need("eval_episodes", 1, 1e6)
    need("final_episodes", 1, 1e6)
    need("num_envs", 1, 4096)
    need("hidden_width", 1, 65536)
    need("hidden_depth", 1, 64)
    need("seed", 0, 2**32 - 1)
    need("learning_starts", 0, 1e12)
    need("updates_per_step", 0, 1000, low_open=True)
    need("learning_rate", 0, 1, low_open=True)
    need("gamma", 0, 0.99999)
    need("tau", 0, 1, low_open=True)
    need("her_ratio", 0, 1)
    need("goal_tries", 1, 100)
    need("random_actions", 0, 1)
    need("guided_episodes", 0, 1)
    need("buffer_size", 3 * config.num_envs, 1e12)  # a transition, and the next episode's first observation
    need("render_size", envs.SIZE, 4096)
    need("frame_stack", 1, 16)
    need("shift_pad", 0, envs.SIZE)
    need("goal_loss", 0, 1e6)
    need("goals_per_image", 1, 1024)
    need("head_updates", 1, 1024)
    if config.encoder_learning_rate is not None:
        need("encoder_learning_rate", 0, 1, low_open=True)
    found += _pixel_problems(config) if config.layout.pixels else _problems_without_pixels(config)
    if config.resume and config.smoke:
        found.append("--smoke begins a run of its own: leave out --resume.")
    if config.resume_without_replay and not config.resume:
        found.append("--resume-without-replay says how to resume: name the run with --resume.")
    if config.alpha != "auto":
        need("alpha", 0, 1e6, low_open=True)
    if config.workers is not None:
        need("workers", 0, min(config.num_envs, 256))
    if config.threads is not None:
        need("threads", 1, 256)
    return found


def _pixel_problems(config: Config) -> list[str]:
    """Of flags that do not go together."""
    found, routing = [], ROUTINGS[config.routing]
    try:
        envs.check_cameras(config.cameras)
    except ValueError as error:
        found.append(f"--cameras: {error}")
    if config.shared_shift and not config.shift_pad:
        found.append("--shared-shift says how to shift: give --shift-pad, by how much.")
    if not config.proprioception and "proprioception" not in envs.LAYOUTS[config.obs].vector:
        found.append(f"--no-proprio: --obs {config.obs} has no proprioception to leave out.")
    if config.goal_input != "off" and not config.goal_loss:
        found.append("--goal-input needs an estimate to show: give --goal-loss a weight.")
    if config.goal_loss and not config.normalize:
        found.append("--goal-loss regresses the normalised achieved goal: leave --normalize on.")
    if config.routing == "goal" and not config.goal_loss:
        found.append("--routing goal leaves the encoder to --goal-loss: give that a weight.")
    if config.goal_loss and config.routing == "actor":
        found.append("--goal-loss goes through the critic's optimizer, which --routing actor keeps from the encoder.")
    if config.goal_loss and routing.encoders == 2:
        found.append("--goal-loss needs one encoder, and --routing separate has two: choose another routing.")
    if config.goal_input == "instead" and config.routing != "goal":
        found.append("--goal-input instead leaves the encoder to --goal-loss: say --routing goal too, or take beside.")
    return found


def _problems_without_pixels(config: Config) -> list[str]:
    """Flags that only an encoder of pictures heeds, set where the layout has none."""
    from training.config import Config, Pixels  # which loads this module first

    if not config.layout.vector:
        return ["--no-proprio leaves the networks nothing but the goal: leave it out."]
    plain, names = Config(), [field.name for field in fields(Pixels)] + ["replay_on_disk"]
    given = [name for name in names if getattr(config, name) != getattr(plain, name)]
    if "proprioception" in given and "proprioception" in envs.LAYOUTS[config.obs].vector:
        given.remove("proprioception")
    flags = ", ".join(f"--{name.replace('_', '-')}" for name in given).replace("--proprioception", "--no-proprio")
    return [f"--obs {config.obs} has no pictures, without which {flags} means nothing."] if given else []
