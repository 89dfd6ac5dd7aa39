"""Smoke test: a configuration cut down until a whole run, with a resume and the film, takes a minute."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from training.config.flags import Config
from training.errors import UserError
from training.finish import VIDEO

UPDATES = 60  # in all; half of them before the resume
BATCH = 64


def smoke(config: Config, console: Console) -> Iterator[Config]:
    """Configurations to run one after the other: a short run, then its resume to twice the length. Prints the verdict
    at the end, also if the caller stops because a run has failed.

    Raises UserError if the run's folder is not free.
    """
    starts = max(200, 4 * config.num_envs)
    each = math.ceil(UPDATES / 2 / config.updates_per_step)  # steps
    first = replace(
        config,
        smoke=False,
        total_steps=starts + each,
        learning_starts=starts,
        batch_size=min(config.batch_size, BATCH),
        buffer_size=min(config.buffer_size, 4 * (starts + each)),
        eval_every=starts + 2 * each,  # and at each part's end
        eval_episodes=2,
        final_episodes=2,
        log_every=max(1, each // 2),
    )
    if config.goals == "latent":
        first = replace(first, latent_frames=min(config.latent_frames, 200), latent_updates=30)
        if config.tells_robot:
            first = replace(first, latent_warm_up=min(config.latent_warm_up, 15))
        if config.goal_sampling == "skewed":
            first = replace(first, latent_updates_again=5, latent_every=each)
    folder = Path(config.run_dir) if config.run_dir else Path(f"{first.default_run_dir()}-smoke")
    if folder.exists():
        raise UserError(f"{folder} is there already: remove it, or name another --run-dir.")
    second = replace(first, total_steps=starts + 2 * each, resume=str(folder))
    passed = False
    try:
        yield replace(first, run_dir=str(folder))
        yield second
        passed = True
    finally:  # also if the caller abandons the generator
        console.print(verdict(config, folder) if passed else "smoke test failed: see above.", soft_wrap=True)


def verdict(config: Config, folder: Path) -> str:
    """Sentence on a smoke test that has passed."""
    film = (
        "" if not config.video else " and films" if (folder / VIDEO).exists() else ", but there is no film: see above"
    )
    return f"smoke test passed: {config.preset} learns, stops, resumes, evaluates{film}; {folder} can be removed."
