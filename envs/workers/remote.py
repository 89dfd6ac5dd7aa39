"""The trainer's end of a worker process: starting it, sending commands, noticing that it died or hangs."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.failure import Failure, reason
from envs.rendering.cameras import CameraConfig
from envs.rendering.watchdog import ADVICE, HANGS

HANG_SECONDS = 60.0  # a worker that has not answered for so long is given up
RENDER_SECONDS = 25.0  # the same for a worker that renders: GPU drivers are known to hang
STOP_SECONDS = 5.0  # how long a worker may take to end by itself
NICENESS, LOWEST = 15, 19  # niceness added to a worker of lower priority; the highest niceness
_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


class WorkerError(RuntimeError):
    """A worker process died, hangs, or an environment in it raised; the message, one sentence, names the worker.

    Attributes:
        failure: exception of an environment, None if there was none.
    """

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = failure


def shared_file() -> int:
    """File descriptor of an empty file that only its holders can see: it leaves nothing behind, however they end."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("environments")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class RemoteBlock:
    """A block of environments in a process of its own.

    The process is a fresh interpreter, not a fork (which would inherit locks and GL contexts) and not
    `multiprocessing.Process` (which would import the trainer's main module, and torch with it).

    Args:
        index: the worker's number, for messages; None for the process that renders.
        env_id: for messages.
        rows: its environments.
        shared: file descriptors of the shared memory, and of this process's end of the pipe from the workers to the
            render server.
        renders: whether it renders images.
    """

    def __init__(
        self, index: int | None, env_id: str, rows: range, shared: tuple[int, int], renders: bool = False
    ) -> None:
        self.rows = rows
        self._index, self._env_id, self._renders = index, env_id, renders
        name = "The render process" if index is None else f"Worker {index}"
        self._name = f"{name} (environments {rows.start} to {rows.stop - 1} of {env_id})"
        self._pipe, theirs = multiprocessing.Pipe(duplex=True)
        descriptors = (theirs.fileno(), *shared)
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        limits = {f"{name}_NUM_THREADS": "1" for name in _THREADS}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__package__}.worker import main; main{descriptors}"],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **limits, "PYTHONPATH": path},
            process_group=0,  # Ctrl-C in a terminal reaches the trainer only
        )
        theirs.close()  # ours was the only other copy: from now on the pipe closes when the worker dies
        self._poll = select.poll()
        self._poll.register(self._pipe.fileno(), select.POLLIN)

    def build(
        self, spec: EnvSpec, dtype: np.dtype[np.void], view: CameraConfig | None, renders_for: int | None = None
    ) -> None:
        """Have the process build its environments, or a renderer for those of some workers; `result` waits for it."""
        try:
            message = pickle.dumps((spec, self.rows, dtype, view, renders_for))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{spec.id} cannot be sent to a worker process ({reason(error)}): step it in this one, with "
                "--workers 0 (in Python, workers=0)."
            ) from None
        self._send(message)

    def submit(self, command: str, *args: Any) -> None:
        """Send a command of `EnvBlock`. A step is a single byte."""
        self._send(b"%d" % args[0] if command == "step" else pickle.dumps((command, args)))

    def result(self) -> Any:
        """Wait for the answer to the last command.

        Raises:
            WorkerError: if the worker died, was silent for HANG_SECONDS (RENDER_SECONDS if it renders), or one of its
                environments raised.
        """
        patience = RENDER_SECONDS if self._renders else HANG_SECONDS
        # One second at a time: any time in which this process and the worker were stopped counts as one second.
        if not any(self._poll.poll(1000) for _ in range(math.ceil(patience))):
            advice = f", perhaps in its graphics driver: {ADVICE}" if self._renders else ""
            raise WorkerError(f"{self._name} has not answered for {patience:g} s: it is taken to hang{advice}.")
        try:
            reply = self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise self._death() from None
        if len(reply) == 1:
            return None
        status, value = pickle.loads(reply)
        if status == "ok":
            return value
        if isinstance(value, Failure):
            failure = value._replace(worker=self._index)
            raise WorkerError(f"{failure.sentence(self._env_id)}.", failure)
        what = "could not build its environments" if status == "unbuilt" else "raised an error"
        raise WorkerError(f"{self._name} {what}: {value}.")

    def lower_priority(self) -> None:
        """Lower the priority of the process and its threads, which are a group of their own."""
        lower = min(LOWEST, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        with contextlib.suppress(ProcessLookupError):  # the next command will say that it is dead
            os.setpriority(os.PRIO_PGRP, self.process.pid, lower)

    def close(self, at_once: bool = False) -> None:
        """Close the pipe, so that the worker ends by itself; `at_once` kills it."""
        self._pipe.close()  # the worker reads the end of its pipe and leaves
        if at_once:
            self.process.kill()

    def join(self) -> None:
        """Wait until the process has ended; a second call does nothing."""
        for insist in (self.process.terminate, self.process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
                return
            insist()
        self.process.wait()

    def _send(self, message: bytes) -> None:
        try:
            self._pipe.send_bytes(message)
        except OSError:
            raise self._death() from None

    def _death(self) -> WorkerError:
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return WorkerError(f"{self._name} closed its pipe without ending.")
        if code == HANGS:
            alone = "; or, in a new run, --render-process with one process" if self._index is not None else ""
            return WorkerError(f"{self._name} renders no more, its graphics driver hangs: {ADVICE}{alone}.")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return WorkerError(f"{self._name} {how}: start again, with fewer workers if memory was short.")


def stop(blocks: Sequence[Any], at_once: bool = False) -> None:
    """Close all blocks, then wait for those that are processes."""
    for block in blocks:
        block.close(at_once)
    for block in blocks:
        if isinstance(block, RemoteBlock):
            block.join()
