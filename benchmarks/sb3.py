"""Stable-Baselines3's side of each measurement. Outside of `benchmarks/` and its tests nothing imports it.

SB3 runs as in its documentation: `make_vec_env` (which adds the Monitor that counts returns, as we count them),
`SAC("MultiInputPolicy")`, `HerReplayBuffer`, its own `learn`. Silent, and without a log folder, as ours.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC, HerReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

import envs  # noqa: F401  (registers the tasks without the notes that gymnasium_robotics prints)
from benchmarks.alternate import Counts, repeat
from benchmarks.images import BOOK_SIZE, book
from benchmarks.resident import peak_bytes
from benchmarks.sb3_encoder import Manipulation
from benchmarks.settings import EPISODE, Settings, stock_id
from envs.rendering.cameras import PIXELS

CHUNK = 8  # vector steps a call of `learn`, which cannot be given a deadline; the call itself costs microseconds


def make_envs(settings: Settings, subprocesses: bool, size: int = BOOK_SIZE) -> VecEnv:
    """Make SB3's vector of environments, with images rendered at `size`, if there are any."""
    name = stock_id(settings) if settings.obs == "state" else book(settings, size)
    if not subprocesses:
        return make_vec_env(name, settings.num_envs, seed=settings.seed, vec_env_cls=DummyVecEnv)
    # Its default start method. Importing once, before the workers are forked, only shortens their start.
    multiprocessing.set_forkserver_preload(["stable_baselines3", "envs"])
    how = {"start_method": "forkserver"}
    return make_vec_env(name, settings.num_envs, seed=settings.seed, vec_env_cls=SubprocVecEnv, vec_env_kwargs=how)


def rhythm(settings: Settings) -> tuple[int, int]:
    """Update ratio in SB3's form: number of vector steps, and number of updates after them."""
    ratio = Fraction(settings.updates_per_step * settings.num_envs).limit_denominator(1000)
    return ratio.denominator, ratio.numerator


def build(settings: Settings, vec: VecEnv) -> SAC:
    """SAC with the values of our presets book-state or book-pixels, and SB3's defaults where the book names none."""
    every, updates = rhythm(settings)
    pixels = settings.obs != "state"
    extractor = {"features_extractor_class": Manipulation} if pixels else {}
    model = SAC(
        "MultiInputPolicy",
        vec,
        learning_rate=1e-4 if pixels else 3e-4,
        buffer_size=settings.buffer_size,
        learning_starts=settings.learning_starts,
        batch_size=settings.batch_size,
        tau=0.005,
        gamma=0.95,
        train_freq=(every, "step"),
        gradient_steps=updates,
        ent_coef=0.05,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 8 if pixels else 4, "goal_selection_strategy": "future"},
        policy_kwargs={"net_arch": [256, 256]} | extractor,
        seed=settings.seed,
        device=settings.device,
    )
    model.set_logger(Logger(None, []))  # otherwise every `learn` makes a folder under /tmp
    return model


class Training:
    """`SAC.learn`, a few steps per call; each call goes on where the last one ended.

    Args:
        settings: of the run.
        subprocesses: SubprocVecEnv instead of DummyVecEnv.
        size: pixels a side of rendered images, before they are resized.
    """

    def __init__(self, settings: Settings, subprocesses: bool, size: int = BOOK_SIZE) -> None:
        torch.set_num_threads(settings.threads)
        self.model = build(settings, make_envs(settings, subprocesses, size))
        together = CHUNK if settings.obs == "state" else 1  # from pixels a single one takes seconds
        self.chunk = together * rhythm(settings)[0] * settings.num_envs
        if settings.prefill:
            fill(self._buffer, settings.prefill)
        # SB3's HER samples finished episodes only, and raises while there is none.
        self.model.learning_starts = max(settings.learning_starts, settings.num_envs * EPISODE)
        self.model.learn(self.model.learning_starts + self.chunk)

    @property
    def _buffer(self) -> HerReplayBuffer:
        assert isinstance(self.model.replay_buffer, HerReplayBuffer)
        return self.model.replay_buffer

    def run(self, seconds: float) -> Counts:
        model, begun = self.model, time.perf_counter()
        steps, updates = model.num_timesteps, model._n_updates
        while time.perf_counter() - begun < seconds:
            model.learn(self.chunk, log_interval=10**9, reset_num_timesteps=False)
        synchronize(model.device)
        return {
            "env_steps": model.num_timesteps - steps,
            "updates": model._n_updates - updates,
            "seconds": time.perf_counter() - begun,
        }

    def close(self) -> None:
        assert self.model.env is not None
        self.model.env.close()


class Memory(Training):
    """Peak memory of a run whose replay is full."""

    def run(self, seconds: float) -> Counts:
        buffer: Any = self._buffer
        for array in (*buffer.observations.values(), *buffer.next_observations.values()):
            array[buffer.pos :] = 0  # numpy's zeros take no memory before they are written
        return super().run(seconds) | {"peak_bytes": peak_bytes()}


class Stepping:
    """A vector environment of SB3's, with actions sampled beforehand (rounds, N, A)."""

    def __init__(self, settings: Settings, actions: np.ndarray, subprocesses: bool) -> None:
        self.vec, self.actions, self.next = make_envs(settings, subprocesses), actions, 0
        self.vec.reset()

    def run(self, seconds: float) -> Counts:
        calls, elapsed = repeat(self._step, seconds)
        return {"env_steps": calls * self.vec.num_envs, "seconds": elapsed}

    def _step(self) -> None:
        self.vec.step(self.actions[self.next % len(self.actions)])
        self.next += 1

    def close(self) -> None:
        self.vec.close()


class Sampling:
    """Batches from a full HerReplayBuffer. Its rewards come from an environment in this process: no pipe is timed."""

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.vec = make_vec_env(stock_id(settings), 1, vec_env_cls=DummyVecEnv)
        self.buffer = HerReplayBuffer(
            settings.transitions, self.vec.observation_space, self.vec.action_space, self.vec,  # type: ignore[arg-type]
            device=settings.device, n_envs=settings.num_envs, n_sampled_goal=4, goal_selection_strategy="future",
        )  # fmt: skip
        fill(self.buffer, settings.transitions)

    def run(self, seconds: float) -> Counts:
        size = self.settings.batch_size
        calls, elapsed = repeat(lambda: self.buffer.sample(size), seconds, lambda: synchronize(self.buffer.device))
        return {"batches": calls, "transitions": calls * size, "seconds": elapsed}

    def close(self) -> None:
        self.vec.close()


class Updating:
    """`SAC.train` with a replay that always hands out the same batch."""

    def __init__(self, settings: Settings) -> None:
        torch.set_num_threads(settings.threads)
        self.vec = make_envs(replace(settings, num_envs=1), subprocesses=False)
        self.settings, self.model = settings, build(settings, self.vec)
        device, generator = self.model.device, torch.Generator().manual_seed(settings.seed)

        def normal(size: int) -> torch.Tensor:
            return torch.randn(settings.batch_size, size, generator=generator).to(device)

        def observations() -> dict[str, torch.Tensor]:
            spaces: dict[str, Any] = self.model.observation_space.spaces  # type: ignore[attr-defined]
            images = {
                key: torch.randint(256, (settings.batch_size, *space.shape), dtype=torch.uint8, generator=generator)
                for key, space in spaces.items()
                if key == PIXELS
            }
            return {key: images[key].to(device) if key in images else normal(space.shape[0])
                    for key, space in spaces.items()}  # fmt: skip

        batch = DictReplayBufferSamples(
            observations=observations(),
            actions=normal(4).tanh(),
            next_observations=observations(),
            dones=torch.zeros_like(normal(1)),
            rewards=-(normal(1) > 0).float(),
        )
        self.model.replay_buffer.sample = lambda *_, **__: batch  # type: ignore[method-assign, union-attr]

    def run(self, seconds: float) -> Counts:
        # Several updates a call, so that what `train` does once a call hardly counts.
        model, together = self.model, 8 if self.settings.obs == "state" else 1
        calls, elapsed = repeat(
            lambda: model.train(together, self.settings.batch_size), seconds, lambda: synchronize(model.device)
        )
        return {"updates": calls * together, "seconds": elapsed}

    def close(self) -> None:
        self.vec.close()


def synchronize(device: torch.device) -> None:
    """Wait for the device's queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fill(buffer: HerReplayBuffer, transitions: int) -> None:
    """Put `transitions` of made-up episodes into an empty buffer, as `add` would (a test compares)."""
    episodes = transitions // (buffer.n_envs * EPISODE)
    steps = min(buffer.buffer_size, episodes * EPISODE)  # of each environment
    generator = np.random.default_rng(0)
    for table in (buffer.observations, buffer.next_observations):
        for key, array in table.items():
            high = 1.0 if key == "observation" else 0.1  # goals a few centimetres apart: mixed rewards
            array[:steps] = generator.random((steps, *array.shape[1:])) * high
    buffer.actions[:steps] = generator.uniform(-1, 1, (steps, *buffer.actions.shape[1:]))
    buffer.rewards[:steps] = -1.0
    start = np.arange(steps) // EPISODE * EPISODE
    end = np.minimum(start + EPISODE, steps)
    buffer.ep_start[:steps], buffer.ep_length[:steps] = start[:, None], (end - start)[:, None]
    buffer.dones[end - 1] = buffer.timeouts[end - 1] = 1.0
    buffer.full, buffer.pos = steps == buffer.buffer_size, steps % buffer.buffer_size
    buffer._current_ep_start[:] = buffer.pos
