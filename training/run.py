"""Everything beside learning: rows of the log, evaluations, checkpoints, and stopping on a signal."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import envs
from agent.routing import gradient_norm
from encoders.pixels import softmax_temperature
from training import checkpoint, interrupt, logger, run_folder
from training.diagnosis import diagnose
from training.errors import LOWER, RunFailed, UserError, environment_failed, environment_unusable, ran_out_of_memory
from training.finish import finish
from training.logger import Logger, Row
from training.progress import SILENCE, Counted, Progress
from training.rollout.evaluate import evaluate
from training.seeds import independent_seeds
from training.trainer import Trainer
from training.training_state import TrainingState
from training.verdict import hopeless

# Ctrl-C, a request to end, and a terminal that was closed.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BY_RULE = signal.SIGUSR1  # among the ranks: --stop-rule ends the run
ONCE = 1.0  # seconds within which a second signal is the same one: a terminal and experiments.run both pass it on


class Run:
    """Everything beside learning: rows of the log, evaluations, checkpoints, and stopping on a signal."""

    def __init__(
        self, trainer: Trainer, state: TrainingState, folder: Path, logger: Logger | None, progress: Progress
    ) -> None:
        self.trainer, self.state, self.folder = trainer, state, folder
        self.place = run_folder.Place(folder)
        self.logger, self.progress = logger, progress
        trainer.tell = progress.tell
        self.signalled: signal.Signals | None = None
        self.why = ""  # reason of --stop-rule for a stop
        self.stopping: signal.Signals | None = None  # the signal, once all ranks know of it
        # Whether it was printed, perhaps before a resume, that success needs more than the reward of a reached goal.
        self.noted = bool(state.step) and trainer.collector.ending.contradictory
        self.saved, self.saving = time.monotonic(), 0.0  # time of the last save, and its seconds
        self.busy = ""  # work that a signal has to wait for
        self.signalled_at = 0.0

    def __enter__(self) -> Run:
        """Let signals stop the run between two steps from here on. A new run is saved, so that it can be resumed, and
        so is one that goes on with an empty replay."""
        heeded = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores some
        self.handlers = {number: signal.signal(number, self._stop) for number in heeded}
        if not self.state.step or self.trainer.config.resume_without_replay:  # else the lost replay would come back
            self.save()
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        """Restore the handlers of signals. Raises RunFailed, which says what is kept, if the environments, the memory
        or a lost folder ended the run."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        if isinstance(error, RunFailed | OSError):  # it may have been gone already when something was to be written
            self.place.check()
        if error is None or (sentence := self._foreseen(error)) is None:
            return
        raised = self._failure is not None or isinstance(error, envs.Unusable)
        if raised and self.trainer.ranks.count == 1:  # of several ranks, the others wait elsewhere
            self.save()
        raise self._failed(sentence) from error

    @property
    def _failure(self) -> envs.Failure | None:
        """Failure of an environment, or None."""
        return self.trainer.train_envs.failure or self.trainer.eval_envs.failure

    def _foreseen(self, error: BaseException) -> str | None:
        """Sentence on how environments or memory ended the run, without a full stop; None for any other error."""
        if isinstance(error, envs.NotFinite):
            return f"{error}"
        if ran_out_of_memory(error):
            outside = " or --replay-device cpu" if self.trainer.replay_device.type == "cuda" else ""
            return f"memory ran out: free some, or start anew with a lower {LOWER}{outside}"
        if isinstance(error, envs.Unusable):
            return environment_unusable(error, self.folder)
        if self._failure is not None:
            return environment_failed(self._failure, self.trainer.config.env_id, self.folder)
        return None

    def _failed(self, sentence: str) -> RunFailed:
        return RunFailed(f"{sentence}; by step {self.state.step}, {checkpoint.kept(self.folder)}.")

    def _stop(self, number: int, _: Any) -> None:
        if self.signalled is not None and time.monotonic() - self.signalled_at > ONCE:  # the second one does not wait
            raise KeyboardInterrupt
        if self.signalled is None:
            self.signalled, self.signalled_at = signal.Signals(number), time.monotonic()
        if self.busy:
            with contextlib.suppress(OSError):
                print(f"stopping after {self.busy}; once more to stop at once", file=sys.stderr, flush=True)

    def after_step(self) -> None:
        self.progress.tick(self.state.step, self.state.seconds)
        self.place.check()  # also where nothing is written: what goes on is not going to be saved
        config, ranks, due = self.trainer.config, self.trainer.ranks, self.state.due
        if self.trainer.collector.ending.contradictory and not self.noted:  # nobody could know before
            self.noted = True
            self.progress.console.print(
                f"Success ends the episodes of {config.env_id}, but needs more than the reward of a reached goal: "
                "transitions with goals lent by hindsight are taken to go on.",
                soft_wrap=True,
            )
        self.trainer.statistics.merge()
        if getattr(self.progress.console.file, "lost", False) and self.signalled is None:
            self.signalled = signal.SIGPIPE  # nobody reads what the run prints: it ends as by a signal
        self.stopping = ranks.any_signal(self.signalled)
        last = self.state.step >= config.total_steps
        evaluating = last or due(config.eval_every, config.num_envs)
        if self.logger is not None and (evaluating or due(config.log_every, config.num_envs)):
            row = self._row()
            if evaluating:
                row |= self._evaluate()
                shown = self.trainer.collector.shown
                if shown is not None and "pixels" in shown.obs:
                    self.logger.show(envs.enlarged(shown.obs["pixels"][0].cpu().numpy()), self.state.step)
            self.logger.write(row)
            self.progress.show(row)
            if evaluating and config.stop_rule:
                self.why = hopeless(logger.read_rows(self.folder), config.total_steps, config.best_return)
                self.signalled = self.signalled or (BY_RULE if self.why else None)
            self.state.begin_row()
        if last or due(config.save_every, config.num_envs) or self._long_ago():
            self.save()

    def _row(self) -> Row:
        row = self.state.row()
        self._check_finite([name for name, value in row.items() if not math.isfinite(value)])
        collector = self.trainer.collector
        for name in ("critic", "actor"):
            if (norm := gradient_norm(getattr(self.trainer.agent, name).parameters())) is not None:
                row[f"{name}_grad_norm"] = norm.item()
        row["episodes"] = collector.episodes
        if collector.errors:  # of observations that the encoder has not been trained on
            row["position_error_cm"] = 100 * torch.stack(list(collector.errors)).mean().item()
        if (temperature := softmax_temperature(self.trainer.agent.encoder)) is not None:
            row["softmax_temperature"] = temperature
        if collector.success:
            row["success_rolling"] = sum(collector.success) / len(collector.success)
            row["episode_return"] = sum(collector.returns) / len(collector.returns)
        if self.state.updates:
            seed = independent_seeds([self.trainer.seeds["diagnosis"], self.state.step], 1)[0]
            row |= diagnose(self.trainer.learner.sac, self.trainer.eager_updates, seed)
        return row

    def _check_weights(self) -> None:
        """Raise RunFailed if weights are not finite, before they replace good ones: losses are checked once a row."""
        learner = self.trainer.learner.sac
        weights = learner.agent.state_dict() | {"log_alpha": learner.log_alpha}
        broken = {
            name.removeprefix("auxiliaries.").split(".")[0]
            for name, tensor in weights.items()
            if not tensor.isfinite().all()
        }
        self._check_finite(sorted({name.split(".")[0] for name in broken}))

    def _check_finite(self, broken: list[str]) -> None:
        if broken:
            clip = "" if self.trainer.config.clip_targets else " or --clip-targets"
            raise self._failed(
                f"{', '.join(broken)} became NaN or infinite, and what the environments returned was not: a lower "
                f"--learning-rate{clip} may help"
            )

    def _evaluate(self) -> Row:
        self._check_weights()
        config = self.trainer.config
        self.busy = "the evaluation"
        with self.trainer.evaluating() as vec:
            seed = self.trainer.seeds["evaluation"]
            tell = Counted(lambda said: self.progress.tell(f"evaluating: {said.strip()}"), None, config.eval_episodes)
            result = evaluate(vec, self.trainer.policy, config.eval_episodes, seed, tell=tell)
        self.busy = ""
        model = self._model()
        checkpoint.save(model, self.folder / checkpoint.MODEL)
        if result.success_rate > self.state.best:
            self.state.best = result.success_rate
            checkpoint.save(model | {"score": result.success_rate}, self.folder / checkpoint.BEST)
        returned = float(result.returns.mean())
        row = {"eval_success": result.success_rate, "eval_ever": result.ever_rate, "eval_return": returned}
        return row if result.distance_cm is None else row | {"eval_distance_cm": result.distance_cm}

    def save(self) -> None:
        """Save the whole state, for a resume from here, and the model, for an evaluation."""
        self._check_weights()
        self.busy, begun = "the checkpoint", time.monotonic()
        if self.saving > SILENCE:  # as long as the last time, about
            self.progress.tell("saving ...")
        saved: dict[str, Any] = {"trainer": self.trainer.state_dict(), "training_state": self.state.state_dict()}
        saved["config"] = self.trainer.config.fixed_json()
        if self.logger is not None:
            with contextlib.suppress(UserError):  # of a damaged file: a resume names it, nothing may keep from saving
                saved["rows"] = logger.fingerprint(self.folder, self.state.step)
        self.trainer.ranks.save(saved, self.folder, self.state.step)
        if self.logger is not None:
            checkpoint.save(self._model(), self.folder / checkpoint.MODEL)
        self.busy, self.saved = "", time.monotonic()
        self.saving = self.saved - begun

    def _long_ago(self) -> bool:
        """Whether a save is due by --save-minutes, but not if saving takes more than a fiftieth of the time. Several
        ranks save together, by steps alone."""
        wait = max(60 * self.trainer.config.save_minutes, 50 * self.saving)
        return self.trainer.ranks.count == 1 and time.monotonic() - self.saved > wait

    def _model(self) -> dict[str, Any]:
        """Model with all that acting needs, without names of folders: the file may go to another machine."""
        config = dataclasses.replace(self.trainer.config, run_dir=None, resume=None, resume_without_replay=False)
        model = {"policy": self.trainer.agent.policy_state(), "step": self.state.step, "config": config.to_json()}
        goals = self.trainer.latent
        return model if goals is None else model | {"goals": goals.policy_state()}

    def _go_on(self) -> str:
        """Command that goes on with the run, to be copied."""
        script = sys.argv[0] if Path(sys.argv[0]).name == "train.py" else "train.py"
        return f"{self.trainer.ranks.launcher} {shlex.quote(script)} --resume {shlex.quote(str(self.folder))}"

    def conclude(self, console: Console) -> int:
        """Conclude after the loop: print how to resume, or do the final evaluation. Returns the exit code."""
        if self.stopping:
            command = self._go_on()
            by_rule = self.stopping == BY_RULE
            said = (" by --stop-rule", f": {self.why}", " --no-stop-rule") if by_rule else ("", "", "")
            message = f"stopped{said[0]} at step {self.state.step}{said[1]}; continue with: {command}{said[2]}"
            if getattr(console.file, "lost", False):
                with contextlib.suppress(OSError):  # a closed terminal has neither
                    print(message, file=sys.stderr, flush=True)
            console.print(message, soft_wrap=True)  # a command that is copied must be in one piece
            return 0 if by_rule else 128 + self.stopping
        if self.logger is not None:
            try:
                with interrupt.raising(STOPPING):
                    finish(self.trainer, self.state, self.folder, console)
                self.logger.close()
            except interrupt.Interrupted as stop:
                console.print(f"stopped after training; evaluate and film with: {self._go_on()}", soft_wrap=True)
                return 128 + stop.number
            except Exception as error:
                if isinstance(error, OSError):
                    self.place.check()
                if (sentence := self._foreseen(error)) is None:
                    raise
                raise self._failed(sentence) from error
        return 0
