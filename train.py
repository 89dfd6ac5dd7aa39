"""Train an agent: `python train.py [PRESET] [--flag value ...]`.

Build the parts, then one loop: set the environments going, update the agent while they move, store what they did.
"""

from __future__ import annotations

import sys

from training import interrupt  # first: the package settles how threads wait, before torch is loaded

if __name__ == "__main__":
    interrupt.end_quietly()

import dataclasses
import functools
from collections.abc import Sequence

import torch
from rich.console import Console

from training.config import cli
from training.config.cli import name_and_version
from training.config.flags import Config
from training.config.validation import check
from training.errors import guarded
from training.output import standard_output
from training.progress import Progress
from training.ranks import Ranks
from training.resume import begin, open_run
from training.run import STOPPING, Run
from training.run_info import log_run_info
from training.smoke import smoke
from training.trainer import Trainer
from training.training_state import TrainingState


def learn(trainer: Trainer, state: TrainingState, run: Run) -> None:
    """The training loop."""
    config, collector, updates = trainer.config, trainer.collector, trainer.updates
    while state.step < config.total_steps and not run.stopping:
        trainer.set_progress(state.step)
        learning = state.step - state.replay_began >= max(config.learning_starts, config.num_envs)
        with state.clock("act"):
            collector.begin_step(explore_only=not learning)

        # The environments are moving; the agent learns from what was stored before this step.
        state.learning_steps += config.num_envs if learning else 0
        if due := state.updates_due(config.updates_per_step):
            with state.clock("sample"):
                batches = updates.batches(due)
            with state.clock("update"):
                for batch in batches:
                    state.count_update(updates.update(batch))

        with state.clock("env"):
            collector.end_step()
        state.step += config.num_envs
        run.after_step()


def train(config: Config, ranks: Ranks, console: Console) -> int:
    """Run a configuration to its end, or to a signal; returns the exit code."""
    check(config)
    ranks.local_config(config)  # raises if it cannot be divided
    ranks.join()
    if (opened := open_run(config, ranks, functools.partial(console.print, soft_wrap=True))) is None:
        return 2
    with Trainer(dataclasses.replace(config, run_dir=str(opened.folder)), ranks) as trainer:
        state = TrainingState()
        opened.lock_for(ranks)
        try:
            with interrupt.raising(STOPPING):
                begin(trainer, state, opened, functools.partial(console.print, soft_wrap=True))
        except interrupt.Interrupted as stop:  # an autoencoder is trained for minutes
            console.print("stopped before the first step: nothing was saved, and nothing has changed.")
            return 128 + stop.number
        logger = None if ranks.rank else log_run_info(trainer, opened.folder, state.step, console)
        with Progress(trainer.config, console) as progress, Run(trainer, state, opened.folder, logger, progress) as run:
            learn(trainer, state, run)
            if run.stopping:
                run.save()
        return run.conclude(console)


def main(arguments: Sequence[str]) -> int:
    if "--version" in arguments:
        print(name_and_version())
        return 0
    ranks = Ranks.from_environment()
    # Without markup: a folder's name may have brackets.
    console = Console(file=standard_output(), markup=False, quiet=ranks.rank > 0)

    def work() -> int:
        if ranks.rank:  # rank 0 checks the arguments first, so that errors are printed once
            ranks.join()
        config = cli.parse(arguments)
        if config.smoke:
            check(config)  # before it is cut down
        for part in smoke(config, console) if config.smoke else [config]:
            if code := train(part, ranks, console):
                return code
        return 0

    try:
        return guarded("train.py", work)
    finally:
        ranks.leave()


if __name__ == "__main__":
    torch.set_num_interop_threads(1)
    sys.exit(main(sys.argv[1:]))
