"""Environment stepping: ours, gymnasium's AsyncVectorEnv, and the physics alone."""

from __future__ import annotations

import functools
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv

import envs
from benchmarks.alternate import Counts, repeat
from benchmarks.settings import Settings, stock_id


def actions_of(settings: Settings) -> np.ndarray:
    """Uniformly random actions (rounds, N, 4) for all contenders, sampled beforehand and used in a cycle."""
    shape = (997, settings.num_envs, 4)  # a prime, so that episodes do not repeat
    return np.random.default_rng(settings.seed).uniform(-1, 1, shape).astype(np.float32)


class Stepping:
    """A vector environment and actions (rounds, N, A) to step it with."""

    def __init__(self, vec: VectorEnv, actions: np.ndarray, seed: int) -> None:
        self.vec, self.actions, self.next = vec, actions, 0
        vec.reset(seed=seed)

    def run(self, seconds: float) -> Counts:
        calls, elapsed = repeat(self._step, seconds)
        return {"env_steps": calls * self.vec.num_envs, "seconds": elapsed}

    def _step(self) -> None:
        self.vec.step(self.actions[self.next % len(self.actions)])
        self.next += 1

    def close(self) -> None:
        self.vec.close()


class Ours(Stepping):
    """`envs.make_vec`, rendered where there is a view."""

    def __init__(
        self, settings: Settings, actions: np.ndarray, workers: int | None, view: envs.CameraConfig | None = None
    ) -> None:
        vec = envs.make_vec(settings.env_id, settings.num_envs, workers=workers, view=view)
        super().__init__(vec, actions, settings.seed)


class Gymnasium(Stepping):
    """AsyncVectorEnv of stock environments, at its best: shared memory, and episodes that reset in the same step.

    Args:
        make: factory of one environment; None for `gymnasium.make`.
    """

    def __init__(
        self, settings: Settings, actions: np.ndarray, make: Callable[[], gym.Env[Any, Any]] | None = None
    ) -> None:
        multiprocessing.set_forkserver_preload(["gymnasium.vector.async_vector_env", "envs"])
        vec = AsyncVectorEnv(
            [make or functools.partial(gym.make, stock_id(settings))] * settings.num_envs,
            shared_memory=True,
            context="forkserver",
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
        super().__init__(vec, actions, settings.seed)


class Physics:
    """One stock environment in this process; only `mj_step` is timed, the part that no Python can make faster."""

    def __init__(self, settings: Settings, actions: np.ndarray) -> None:
        self.env, self.actions, self.next = gym.make(stock_id(settings)), actions[:, 0], 0
        self.seconds, self.calls = 0.0, 0
        base: Any = self.env.unwrapped
        self._plain = base._mujoco_step
        base._mujoco_step = self._timed
        self.env.reset(seed=settings.seed)

    def _timed(self, action: np.ndarray) -> None:
        begun = time.perf_counter()
        self._plain(action)  # mj_step(model, data, nstep=20)
        self.seconds += time.perf_counter() - begun
        self.calls += 1

    def run(self, seconds: float) -> Counts:
        self.seconds, self.calls = 0.0, 0
        repeat(self._step, seconds)
        return {"env_steps": self.calls, "seconds": self.seconds}

    def _step(self) -> None:
        *_, truncated, _ = self.env.step(self.actions[self.next % len(self.actions)])
        self.next += 1
        if truncated:
            self.env.reset()

    def close(self) -> None:
        self.env.close()
