"""The environments of a vector environment, divided into blocks: building them, sending commands, gathering answers."""

from __future__ import annotations

import itertools
import mmap
import os
import weakref
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.failure import Failure
from envs.rendering.cameras import CameraConfig
from envs.workers.block import LocalBlock
from envs.workers.remote import RemoteBlock, WorkerError, shared_file, stop


class Blocks:
    """`num_envs` environments in `workers` processes, or in this process if `workers` is 0.

    Attributes:
        memory: () array of `memory_dtype` that all blocks read actions from and write results to.
        busy: whether a command has been submitted whose answers have not been collected.
        failure: exception of an environment, None if there was none.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        workers: int,
        dtype: np.dtype[np.void],
        view: CameraConfig | None,
    ) -> None:
        self.busy = False
        self.failure: Failure | None = None
        self._command: tuple[Any, ...] = ()
        self._replies: list[Any] = []
        self._blocks: list[Any] = []
        self._render_server: RemoteBlock | None = None
        self._rendering = False  # whether the render server was sent the command that is under way
        self._workers = workers
        self._processes: list[Any] = []  # blocks and render server
        self._release = weakref.finalize(self, stop, self._processes)  # also at the interpreter's exit
        bounds = [num_envs * i // max(workers, 1) for i in range(max(workers, 1) + 1)]
        rows = [range(*pair) for pair in itertools.pairwise(bounds)]
        one_process = view is not None and view.one_process
        try:
            if workers or one_process:
                self._start(spec, rows, workers, dtype, view, one_process)
            else:
                self.memory = np.zeros((), dtype)
            if not workers:
                self._add(LocalBlock(spec, rows[0], self.memory, view))
        except BaseException:
            self.stop(at_once=True)
            raise

    def _start(
        self,
        spec: EnvSpec,
        rows: list[range],
        workers: int,
        dtype: np.dtype[np.void],
        view: CameraConfig | None,
        one_process: bool,
    ) -> None:
        file, (hears, tells) = shared_file(), os.pipe()  # the pipe from workers to render server: whose turn it is
        try:
            os.ftruncate(file, dtype.itemsize)
            self.memory = np.ndarray((), dtype, buffer=mmap.mmap(file, dtype.itemsize))
            for index, share in enumerate(rows[:workers]):
                self._add(
                    RemoteBlock(index, spec.id, share, (file, tells), renders=view is not None and not one_process)
                )
            if one_process:
                self._render_server = RemoteBlock(None, spec.id, range(rows[-1].stop), (file, hears), renders=True)
                self._processes.append(self._render_server)
        finally:
            for descriptor in (file, hears, tells):
                os.close(descriptor)
        for process in self._processes:
            process.build(spec, dtype, view, renders_for=workers if process is self._render_server else None)
        for process in self._processes:
            process.result()

    def _add(self, block: Any) -> None:
        self._blocks.append(block)
        self._processes.append(block)

    def submit(self, command: str, *args: Any) -> None:
        """Send a command of `EnvBlock` to every block."""
        self.busy, self._command, self._rendering = True, (command, *args), False
        try:
            for block in self._blocks:
                block.submit(command, *args)
            if self._workers:  # workers signal the render server when they are done, while the caller is free
                self._submit_to_render_server()
        except WorkerError:
            self.stop(at_once=True)
            raise

    def collect(self) -> list[Any]:
        """Wait for the answers, one of each block. Can be called again if a signal handler's exception cut it short.

        Raises:
            WorkerError: after which every worker is stopped.
        """
        try:
            while len(self._replies) < len(self._blocks):
                self._replies.append(self._blocks[len(self._replies)].result())
            self._submit_to_render_server()
            if self._render_server is not None and self._rendering:
                answer = self._render_server.result()
                if self._command[0] == "gl_renderer":
                    self._replies[0] = answer
        except WorkerError as error:
            self.failure = error.failure
            self.stop(at_once=True)
            raise
        except Exception as error:  # an environment in this process
            self.busy, self.failure = False, Failure.of(error, self._blocks[0].current)
            raise
        self.busy = False
        replies, self._replies = self._replies, []
        return replies

    def _submit_to_render_server(self) -> None:
        """Submit the current command to the render server, once, if the command needs images."""
        command, *args = self._command
        if self._render_server is not None and not self._rendering and command in ("step", "reset", "gl_renderer"):
            self._render_server.submit(command, *args[:1])  # the slot
            self._rendering = True

    def lower_priority(self) -> None:
        """Lower the priority of all worker processes."""
        for block in self._processes:
            if isinstance(block, RemoteBlock):
                block.lower_priority()

    def stop(self, at_once: bool = False) -> None:
        """Close all environments and end the workers, whatever they are doing; a second call does nothing."""
        if self._release.detach():
            stop(self._processes, at_once)
