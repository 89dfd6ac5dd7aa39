"""One process that renders the images of all environments, as tiles of one frame buffer with one readback.

It is meant for GPUs: each readback waits for the card, and several processes rendering at once are reported to hang. In
software, workers that render their own environments are faster. The workers themselves signal this process when their
poses are ready, so that it renders while the trainer learns.
"""

from __future__ import annotations

import os

import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.fetch import FetchEnv
from envs.registry import make_env
from envs.rendering.cameras import PIXELS, POSE, CameraConfig
from envs.rendering.renderer import Renderer
from envs.rendering.simulation import simulation

_BUFFER_HEIGHT = 8192  # pixels, of the tiles below one another; every driver allows that much


class RenderServer:
    """Renderer of the poses that environments left in the shared memory; a worker's block, like `EnvBlock`.

    Args:
        spec: spec of the environments.
        rows: indices of all environments.
        memory: () array of `memory_dtype` with poses; pixels are written in place.
        view: cameras, size, and hidden parts.
        turn: file descriptor of a pipe, which brings a byte from each worker when all its poses are written.
        workers: number of workers.
    """

    def __init__(
        self, spec: EnvSpec, rows: range, memory: np.ndarray, view: CameraConfig, turn: int, workers: int
    ) -> None:
        self.current = None  # no environment is to blame
        example = make_env(spec)
        tiles = min(len(rows) * len(view.cameras), _BUFFER_HEIGHT // view.render_size)
        found = simulation(example)
        assert found is not None
        self._renderer = Renderer(found[0], view, max(1, tiles), fetch=isinstance(example, FetchEnv))
        example.close()
        self._slots, self._turn, self._workers = memory["slots"], turn, workers

    def step(self, slot: int) -> None:
        """Render the observations after the latest step, and the last observations of episodes that ended in it."""
        self.reset(slot)
        now = self._slots[slot]
        ended = now["terminations"] | now["truncations"]
        if ended.any():
            finals = now["final_observation"]
            images = np.empty_like(finals[PIXELS][ended])
            self._renderer.render(finals[POSE][ended], images)
            finals[PIXELS][ended] = images

    def reset(self, slot: int) -> None:
        """Wait for the workers, then render every environment's current pose."""
        self._wait_for_workers()
        now = self._slots[slot]["observation"]
        self._renderer.render(now[POSE], now[PIXELS])

    def _wait_for_workers(self) -> None:
        told = 0
        while told < self._workers:
            if not (heard := os.read(self._turn, self._workers - told)):
                raise EOFError("the workers are gone")
            told += len(heard)

    def gl_renderer(self) -> str:
        return self._renderer.name

    def close(self) -> None:
        self._renderer.close()
