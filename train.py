"""Train an agent: `python train.py [PRESET] [--flag value ...]`.

Build the parts, then one loop: set the environments going, update the agent while they move, store what they did.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import envs
from training import checkpoint, cli, run_folder
from training.check import check
from training.config import Config
from training.errors import RunFailed, UserError
from training.evaluate import evaluate
from training.finish import finish
from training.logger import Logger, Row
from training.progress import Progress
from training.ranks import Ranks
from training.recorder import Recorder
from training.session import Session
from training.shares import open_run, restore
from training.smoke import smoke


def learn(session: Session, recorder: Recorder, run: Run) -> None:
    """The training loop."""
    config, collector, agent = session.config, session.collector, session.agent
    while recorder.step < config.total_steps and not run.stopping:
        learning = recorder.step - recorder.replay_began >= max(config.learning_starts, config.num_envs)
        resumed_empty = recorder.replay_began >= max(config.learning_starts, 1)  # its policy is to fill the replay
        with recorder.clock("act"):
            collector.begin_step(explore_only=not learning and not resumed_empty)

        # The environments are moving; the agent learns from what was stored before this step.
        recorder.credit += config.num_envs * config.updates_per_step if learning else 0
        updates, recorder.credit = int(recorder.credit), recorder.credit % 1
        if session.captured is not None:
            with recorder.clock("update"):
                recorder.count_updates(session.captured_updates(updates))
        elif updates:
            with recorder.clock("sample"):
                batches = session.upcoming(updates)
            with recorder.clock("update"):
                recorder.count_updates(agent.update(*batch) for batch in batches)

        with recorder.clock("env"):
            collector.end_step()
        recorder.step += config.num_envs
        run.after_step()


class Run:
    """What happens beside learning: rows of the log, evaluations, checkpoints, and stopping when told to."""

    def __init__(
        self, session: Session, recorder: Recorder, folder: Path, logger: Logger | None, progress: Progress
    ) -> None:
        self.session, self.recorder, self.folder = session, recorder, folder
        self.logger, self.progress = logger, progress
        self.signalled: signal.Signals | None = None
        self.stopping: signal.Signals | None = None  # the same, once all ranks know of it
        self.noted = False  # whether it was said that success ends episodes, where it does

    def __enter__(self) -> Run:
        """From here on, Ctrl-C and SIGTERM stop between two steps."""
        self.handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _: Any) -> None:
        self.signalled = signal.Signals(number)

    def after_step(self) -> None:
        config, ranks, due = self.session.config, self.session.ranks, self.recorder.due
        if self.session.collector.success_ends and not self.noted:  # nobody could know before one did
            self.noted = True
            self.progress.console.print(envs.success_ends(config.env_id), soft_wrap=True)
        self.session.statistics.merge()
        self.stopping = ranks.agree(self.signalled)
        last = self.recorder.step >= config.total_steps
        evaluating = last or due(config.eval_every, config.num_envs)
        if self.logger is not None and (evaluating or due(config.log_every, config.num_envs)):
            row = self._row()
            if evaluating:
                row |= self._evaluate()
                if (seen := self.session.collector.seen) is not None and seen.pixels is not None:
                    self.logger.show(envs.enlarged(seen.pixels[0].cpu().numpy()), self.recorder.step)
            self.logger.write(row)
            self.progress.show(row)
            self.recorder.begin_row()
        if last or due(config.save_every, config.num_envs):
            self.save()

    def _row(self) -> Row:
        row = self.recorder.row()
        self._check_finite([name for name, value in row.items() if not math.isfinite(value)])
        collector = self.session.collector
        row |= {name: norm.item() for name, norm in self.session.agent.gradient_norms("critic", "actor").items()}
        row["episodes"] = collector.episodes
        if collector.errors:  # of observations that the encoder has not been trained on
            row["position_error_cm"] = 100 * torch.stack(list(collector.errors)).mean().item()
        if (temperature := self.session.agent.softmax_temperature()) is not None:
            row["softmax_temperature"] = temperature.item()
        if collector.success:
            row["success_rolling"] = sum(collector.success) / len(collector.success)
            row["episode_return"] = sum(collector.returns) / len(collector.returns)
        return row

    def _check_weights(self) -> None:
        """Nothing broken is saved, and nothing good overwritten by it: losses are looked at only once a row."""
        agent = self.session.agent
        weights = {name: list(part.state_dict().values()) for name, part in agent.parts(agent.MODULES).items()}
        weights["log_alpha"] = [agent.log_alpha]
        self._check_finite([name for name, tensors in weights.items() if not all(t.isfinite().all() for t in tensors)])

    def _check_finite(self, broken: list[str]) -> None:
        if broken:
            raise RunFailed(
                f"{', '.join(broken)} became NaN or infinite by step {self.recorder.step}: the model saved before is "
                f"kept in {self.folder}; a lower --learning-rate or --clip-targets may help."
            )

    def _evaluate(self) -> Row:
        self._check_weights()
        config = self.session.config
        with self.session.evaluating() as vec:
            seed = self.session.seeds["evaluation"]
            result = evaluate(vec, self.session.policy, config.eval_episodes, seed)
        model = {"policy": self.session.agent.policy_state(), "step": self.recorder.step}
        checkpoint.save(model, self.folder / checkpoint.MODEL)
        if result.success_rate > self.recorder.best:
            self.recorder.best = result.success_rate
            checkpoint.save(model, self.folder / checkpoint.BEST)
        return {"eval_success": result.success_rate, "eval_return": float(result.returns.mean())}

    def save(self) -> None:
        """Everything, so that the run can be continued from here."""
        self._check_weights()
        state = {"session": self.session.state_dict(), "recorder": self.recorder.state_dict()}
        self.session.ranks.save(state, self.folder, self.recorder.step)


def say_what_it_is(session: Session, folder: Path, step: int, console: Console) -> Logger:
    """On the console, in the run's folder and in its TensorBoard; returns what logs the rest."""
    config = dataclasses.replace(session.config, run_dir=str(folder), resume=None, resume_without_replay=False)
    console.print(session.memory_report, soft_wrap=True)
    versions = run_folder.describe(folder, config, session)
    if config.accelerate == "max" and session.captured is None:
        message = f"--accelerate max is auto here, without a CUDA graph of the update: {session.not_captured}."
        console.print(message, soft_wrap=True)
    if session.gl_renderer is not None and session.device.type == "cuda" and envs.is_software(session.gl_renderer):
        message = f"The learner is on {session.device}, but pictures are drawn on the CPU ({session.gl_renderer})."
        console.print(message, soft_wrap=True)
    return Logger(folder, step, {**dataclasses.asdict(config), **versions})


def train(config: Config, ranks: Ranks, console: Console) -> int:
    """Run a configuration to its end, or to a signal; returns the exit code."""
    if note := check(config):
        console.print(note, soft_wrap=True)
    ranks.part_of(config)  # raises if it cannot be divided
    ranks.join()
    if (opened := open_run(config, ranks)) is None:
        return 2
    folder, leads = opened.folder, ranks.rank == 0
    session, recorder = Session(dataclasses.replace(config, run_dir=str(folder)), ranks), Recorder()
    try:
        if leads and opened.lock is None:
            opened.lock = run_folder.Lock(folder)
        if opened.states:
            for note in restore(session, recorder, opened):
                console.print(note, soft_wrap=True)
        else:
            session.start()
        logger = say_what_it_is(session, folder, recorder.step, console) if leads else None
        with Progress(session.config, console) as progress, Run(session, recorder, folder, logger, progress) as run:
            run.noted = note is not None
            learn(session, recorder, run)
            if run.stopping:
                run.save()
        if run.stopping:
            message = f"stopped at step {recorder.step}; continue with: {ranks.launcher} train.py --resume {folder}"
            console.print(message, soft_wrap=True)  # a command that is copied must be in one piece
            return 128 + run.stopping
        if logger is not None:
            finish(session, recorder, folder, console)
            logger.close()
        return 0
    finally:
        session.close()


def main(arguments: Sequence[str]) -> int:
    ranks = Ranks.from_environment()
    console = Console(markup=False, quiet=ranks.rank > 0)  # a folder's name may have brackets
    try:
        if ranks.rank:  # rank 0 looks at the request first: what is wrong with it is said once
            ranks.join()
        config = cli.parse(arguments)
        if config.smoke:
            check(config)  # before it is cut down
        for part in smoke(config) if config.smoke else [config]:
            if code := train(part, ranks, console):
                return code
        return 0
    except UserError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except (RunFailed, envs.WorkerError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, above all
        print(f"train.py: a file could not be written ({error}); what was saved before is intact.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the first step or after the last one: there is nothing new to save
        return 128 + signal.SIGINT
    finally:
        ranks.leave()


if __name__ == "__main__":
    torch.set_num_interop_threads(1)
    sys.exit(main(sys.argv[1:]))
