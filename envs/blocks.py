"""The environments of a vector environment, divided into blocks: building them, sending commands, gathering answers."""

from __future__ import annotations

import itertools
import mmap
import os
import weakref
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.block import LocalBlock, memory_dtype
from envs.remote import RemoteBlock, WorkerError, shared_file, stop
from envs.view import View


class Blocks:
    """`num_envs` environments in `workers` processes, or in this one if that is 0.

    Attributes:
        memory: () array of `memory_dtype` that all blocks read actions from and write results to.
        busy: whether a command has been submitted whose answers have not been collected.
    """

    def __init__(
        self,
        spec: EnvSpec,
        num_envs: int,
        workers: int,
        spaces: gym.spaces.Dict,
        actions: gym.spaces.Box,
        view: View | None,
    ) -> None:
        self.busy = False
        self._replies: list[Any] = []
        self._blocks: list[Any] = []
        self._release = weakref.finalize(self, stop, self._blocks)  # also at the interpreter's exit
        bounds = [num_envs * i // max(workers, 1) for i in range(max(workers, 1) + 1)]
        rows = [range(*pair) for pair in itertools.pairwise(bounds)]
        dtype = memory_dtype(spaces, actions, num_envs)
        try:
            if workers:
                self._start(spec, rows, dtype, view)
            else:
                self.memory = np.zeros((), dtype)
                self._blocks.append(LocalBlock(spec, rows[0], self.memory, view))
        except BaseException:
            self.stop(at_once=True)
            raise

    def _start(self, spec: EnvSpec, rows: list[range], dtype: np.dtype[np.void], view: View | None) -> None:
        file = shared_file()
        try:
            os.ftruncate(file, dtype.itemsize)
            self.memory = np.ndarray((), dtype, buffer=mmap.mmap(file, dtype.itemsize))
            for index, share in enumerate(rows):
                self._blocks.append(RemoteBlock(index, spec.id, share, file))
        finally:
            os.close(file)
        for block in self._blocks:
            block.build(spec, dtype, view)
        for block in self._blocks:
            block.result()

    def submit(self, command: str, *args: Any) -> None:
        """Send a command of `EnvBlock` to every block."""
        self.busy = True
        try:
            for block in self._blocks:
                block.submit(command, *args)
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
        except WorkerError:
            self.stop(at_once=True)
            raise
        except Exception:  # an environment in this process
            self.busy = False
            raise
        self.busy = False
        replies, self._replies = self._replies, []
        return replies

    def stop(self, at_once: bool = False) -> None:
        """Close all environments and end the workers, whatever they are doing; a second call does nothing."""
        if self._release.detach():
            stop(self._blocks, at_once)
