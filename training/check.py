"""What could only fail later is refused before anything is written."""

from __future__ import annotations

import envs
from training import memory
from training.config import Config
from training.errors import UserError
from training.needs import learner_need
from training.player import torch_device
from training.problems import problems


def check_environment(config: Config) -> str | None:
    """Raises UserError for a configuration that contradicts itself, or whose environment cannot be acted in.

    Returns what to say at the start of a training although nothing fails, a sentence, or None.
    """
    if found := problems(config):
        raise UserError(" ".join(found))
    try:
        note = envs.check_goal_env(config.env_id)
        envs.check_layout(config.obs, config.env_id)
    except ValueError as error:
        raise UserError(str(error)) from None
    return note


def check_rendering(config: Config) -> None:
    """Raises UserError if images are wanted and cannot be rendered."""
    if config.view is None:
        return
    try:
        envs.check_gl()
    except envs.RenderError as error:
        raise UserError(str(error)) from None


def check(config: Config) -> str | None:
    """Raises UserError for anything that could only fail later; returns a note to print, if there is one."""
    note = check_environment(config)
    check_rendering(config)
    most = min(config.buffer_size, config.total_steps)
    if config.batch_size > most:
        raise UserError(f"--batch-size {config.batch_size} is more than the {most} transitions there will ever be.")
    first = max(config.learning_starts, config.num_envs)
    if first >= config.total_steps:
        raise UserError(
            f"--total-steps {config.total_steps} leaves nothing to learn: the first update comes after {first} steps, "
            "the larger of --learning-starts and --num-envs."
        )
    need, have = learner_need(config), memory.available_bytes(torch_device(config.device))
    if need > have:
        raise UserError(
            f"the networks and minibatches need about {need / 2**30:.1f} GiB, but {have / 2**30:.1f} GiB are free: "
            "lower --batch-size, --hidden-width, --hidden-depth, --updates-per-step or --goals-per-image."
        )
    return note
