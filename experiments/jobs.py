"""Runs of train.py as subprocesses, one after another or several at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import evidence
from training import finish, run_folder
from training.config.flags import Config
from training.errors import RunFailed, UserError
from training.progress import duration

TRAIN = Path(__file__).parent.parent / "train.py"


@dataclass(frozen=True)
class Job:
    seed: int
    run: Path
    arguments: tuple[str, ...]  # train.py's, for a fresh start
    config: Config
    replay_lost_at: int | None = None  # the experiment's

    def to_do(self) -> list[list[str]]:
        """train.py's arguments for what is left to do, for one call after another."""
        go_on, begun = ["--resume", str(self.run)], evidence.is_interrupted(self.run)
        if self.replay_lost_at is None:
            return [go_on if begun else list(self.arguments)]
        first = [*self.arguments, "--total-steps", str(self.replay_lost_at)]
        second = [*go_on, "--total-steps", str(self.config.total_steps), "--resume-without-replay"]
        if not begun:
            return [first, second]
        saved = run_folder.saved_config(self.run)
        if saved.total_steps > self.replay_lost_at:
            return [go_on]
        return [second] if evidence.is_finished(self.run, saved) else [go_on, second]

    def half_done(self) -> bool:
        """Whether the run has come to where its replay is lost, and has not gone on."""
        return evidence.is_interrupted(self.run) and "--resume-without-replay" in self.to_do()[0]

    @property
    def log(self) -> Path:
        """Log file beside the run's folder, which has to be empty when train.py starts."""
        return self.run.with_name(self.run.name + ".log")


class Jobs:
    """Runs a list of jobs, `at_once` at a time, and copies the evidence of each finished one."""

    def __init__(self, jobs: list[Job], at_once: int, name: str, results: Path) -> None:
        self.waiting, self.at_once, self.name, self.results = list(jobs), at_once, name, results
        self.running: list[tuple[Job, subprocess.Popen[bytes]]] = []
        self.most: dict[int, int] = {}  # by seed: how many ran at the same time, itself among them
        self.failed: dict[int, str] = {}
        self.stopping: signal.Signals | None = None

    def run(self) -> int:
        """Run all jobs. Returns the exit code: 0, 1 if any failed, or 128 + the signal that stopped them."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        heeded = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
        before = {number: signal.signal(number, self._stop) for number in heeded}
        try:
            while self.running or (self.waiting and not self.stopping):
                while self.waiting and len(self.running) < self.at_once and not self.stopping:
                    self._attempt(self._begin, self.waiting.pop(0))
                for entry in [entry for entry in self.running if entry[1].poll() is not None]:
                    self.running.remove(entry)
                    self._attempt(self._end, *entry)
                time.sleep(0.1)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        for seed, reason in self.failed.items():
            print(f"{self.name} seed {seed} failed: {reason}", file=sys.stderr)
        if self.stopping:
            print("stopped; the same command goes on from here.", file=sys.stderr)
            return 128 + self.stopping
        return 1 if self.failed else 0

    def _stop(self, number: int, _: Any) -> None:
        """Pass the signal on: the runs stop with a checkpoint, then we do. (Ctrl-C reaches them twice, as one.)"""
        self.stopping = signal.Signals(number)
        for _job, process in self.running:
            process.send_signal(number)

    def _attempt(self, work: Any, job: Job, *rest: Any) -> None:
        """Do `work` for a job; its failure leaves the other seeds alone."""
        try:
            work(job, *rest)
        except (UserError, RunFailed, OSError) as error:
            self.failed[job.seed] = str(error)

    # ------------------------------------------------------------------ one run

    def _begin(self, job: Job) -> None:
        if evidence.is_finished(job.run, job.config):
            self._say(job, "was finished already")
            return self._copy(job)
        arguments = job.to_do()[0]
        if "--resume-without-replay" in arguments:
            self._say(job, "goes on with an empty replay")
        elif "--resume" in arguments:
            self._say(job, "goes on where it was interrupted")
        else:
            set_aside(job.run)
            self._say(job, "starts")
        environment = dict(os.environ)
        if self.at_once > 1:
            arguments += ["--workers", "0", "--threads", "1"]
            environment["OMP_NUM_THREADS"] = "1"  # threads of several runs would wait for one another
        job.run.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(TRAIN), *arguments]
        if self.at_once == 1:  # the terminal is free for its live table
            process = subprocess.Popen(command, env=environment)
        else:
            with open(job.log, "ab") as log:
                process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.running.append((job, process))
        for other, _process in self.running:
            self.most[other.seed] = max(self.most.get(other.seed, 0), len(self.running))

    def _end(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        finished = evidence.is_finished(job.run, job.config)
        if finished or evidence.is_interrupted(job.run):
            evidence.note_conditions(job.run, self.most[job.seed])
        if process.returncode and not self.stopping:
            raise RunFailed(f"train.py ended with exit code {process.returncode}{self._reason(job)}")
        if finished and job.replay_lost_at not in (None, evidence.replay_began(job.run)):
            raise RunFailed(f"{job.run} was killed as it lost its replay, and got it back: move it away.")
        if finished:
            self._copy(job)
        elif job.half_done():
            self.waiting.insert(0, job)
        elif not self.stopping:
            raise RunFailed(f"train.py ended well, but {job.run} is not finished.")

    def _copy(self, job: Job) -> None:
        target = evidence.copy(job.run, self.results, self.name)
        final = json.loads((target / finish.EVAL).read_text())
        self._say(job, f"{final['success_rate']:.1%} of {final['episodes']} episodes after {final['env_steps']} steps, "
                       f"{duration(final['wall_seconds'])} -> {target}")  # fmt: skip

    def _reason(self, job: Job) -> str:
        """Last line of the job's log, if it has one."""
        if self.at_once == 1 or not job.log.is_file():
            return ""
        lines = job.log.read_text(errors="replace").strip().splitlines()
        return f" ({lines[-1].strip()}); all of it is in {job.log}" if lines else ""

    def _say(self, job: Job, what: str) -> None:
        print(f"{self.name} seed {job.seed}: {what}", flush=True)


def set_aside(run: Path) -> None:
    """Rename the folder of a run killed before its first checkpoint: train.py starts in an empty folder.

    Raises UserError if that run is alive.
    """
    if not run.is_dir() or all(entry.name == run_folder.LOCK for entry in run.iterdir()):
        return
    lock = run_folder.Lock(run)
    number = 1
    while (aside := run.with_name(f"{run.name}.killed-{number}")).exists():
        number += 1
    os.replace(run, aside)
    lock.file.close()
    print(f"{run} was killed before its first checkpoint: moved to {aside}", flush=True)
