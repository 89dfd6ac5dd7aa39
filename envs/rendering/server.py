"""One process that renders the images of all environments, as tiles of one frame buffer with one readback.

For GPUs, where each readback waits for the card, and where several processes that render at once are reported to hang.
In software, workers that render their own environments are faster. The workers tell it themselves when it is its turn,
so that it renders while the trainer learns.
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
    """Renders the poses that environments have left in the shared memory; it is a worker's block, as `EnvBlock` is.

    Args:
        spec: of the environments.
        rows: of all of them.
        memory: () array of `memory_dtype` with poses; pixels are written in place.
        view: what the images show.
        turn: file descriptor of a pipe from which it hears a byte of each worker whose poses are all there.
        workers: how many there are.
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
        """Render what the latest step led to, and the last images of episodes that it ended."""
        self.reset(slot)
        now = self._slots[slot]
        ended = now["terminations"] | now["truncations"]
        if ended.any():
            finals = now["final_observation"]
            images = np.empty_like(finals[PIXELS][ended])
            self._renderer.render(finals[POSE][ended], images)
            finals[PIXELS][ended] = images

    def reset(self, slot: int) -> None:
        """Render every environment as it is now, as soon as the workers are done with theirs."""
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
