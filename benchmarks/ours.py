"""This trainer's side of each measurement: the parts of a real run, built by the code that builds a real run."""

from __future__ import annotations

import train  # isort: skip  (first, as in a run: what it settles before torch is loaded holds here too)

import math
import time
from dataclasses import replace
from typing import Any, cast

import torch

import envs
from agent import accelerate
from agent.captured import CudaGraphUpdate
from benchmarks.alternate import Counts, repeat
from benchmarks.resident import peak_bytes
from benchmarks.settings import EPISODE, Settings
from goals import EnvironmentGoals
from replay import Batch, Ring, RingSpec
from replay.batch import Observation
from replay.storage import Storage
from training.config.flags import Config
from training.config.presets import PRESETS
from training.config.resources import torch_device
from training.evaluator import Evaluator
from training.learner import Learner
from training.trainer import Trainer
from training.training_state import TrainingState


def config_of(settings: Settings, mode: str, preset: str | None = None) -> Config:
    """Configuration of the book's preset, which is SB3's algorithm with SB3's defaults; or of another `preset`.

    The book's encoder reads pixels in SB3's scale and computes the same as SB3's on the same weights (a test compares).
    Images are rendered at 84x84 at once, without the goal's marker. There is no target encoder, unlike in book-pixels.
    Another preset keeps its own update ratio.
    """
    if settings.obs == "state":
        config = PRESETS["book-state"]
    else:
        config = replace(PRESETS["book-pixels"], render_size=envs.SIZE, show_goal_marker=False, msaa=False,
                         target_encoder=False)  # fmt: skip
    if preset is not None:
        config, settings = PRESETS[preset], replace(settings, updates_per_step=PRESETS[preset].updates_per_step)
    return replace(
        config,
        env_id=settings.env_id,
        num_envs=settings.num_envs,
        batch_size=settings.batch_size,
        buffer_size=settings.buffer_size,
        learning_starts=settings.learning_starts,
        updates_per_step=settings.updates_per_step,
        total_steps=10**12,
        seed=settings.seed,
        device=settings.device,
        threads=settings.threads,
        accelerate=mode,  # type: ignore[arg-type]
    )


class UntilDeadline:
    """Stand-in for a run's folder, logger and evaluations: it only ends the loop."""

    def __init__(self, seconds: float = math.inf, step: int = 0) -> None:
        self.deadline, self.step, self.stopping = time.perf_counter() + seconds, step, False

    def after_step(self) -> None:
        self.stopping = time.perf_counter() >= self.deadline


class Training:
    """The training loop itself, `train.learn`.

    Args:
        settings: of the run.
        mode: --accelerate.
        preset: another one than the book's.
        workers: processes that step the environments; None for as many as train.py would have.
    """

    def __init__(self, settings: Settings, mode: str, preset: str | None = None, workers: int | None = None) -> None:
        torch.set_num_interop_threads(1)  # as train.py does
        config = replace(config_of(settings, mode, preset), workers=workers)
        self.trainer, self.training_state = Trainer(config), TrainingState()
        if settings.prefill:
            fill(self.trainer.ring.storage, settings.prefill)
        self.trainer.start()
        while self.training_state.step <= settings.learning_starts:
            self.run(0.0)

    def run(self, seconds: float) -> Counts:
        steps, updates, begun = self.training_state.step, self.training_state.updates, time.perf_counter()
        train.learn(self.trainer, self.training_state, cast(train.Run, UntilDeadline(seconds)))
        synchronize(self.trainer.device)
        return {
            "env_steps": self.training_state.step - steps,
            "updates": (self.training_state.updates - updates) * self.trainer.config.updates_per_encoding,
            "seconds": time.perf_counter() - begun,
        }

    def close(self) -> None:
        self.trainer.close()


class Memory(Training):
    """Peak memory of a run; the ring takes all of its memory at the start."""

    def run(self, seconds: float) -> Counts:
        return super().run(seconds) | {"peak_bytes": peak_bytes()}


class Sampling:
    """Batches from a full ring, goals relabelled.

    Args:
        settings: of the run.
        together: minibatches sampled in one call and then cut, as the loop does when it owes several updates.
    """

    def __init__(self, settings: Settings, together: int) -> None:
        self.settings, self.together = settings, together
        self.device = torch_device(settings.device)
        accelerate.set_up(settings.threads)
        example = envs.make_vec(settings.env_id, 1, workers=0)
        space = example.single_observation_space
        capacity = settings.transitions // EPISODE * (EPISODE + 1)  # an episode's last observation takes a slot too
        vector_size, goal_size = envs.vector_size(space, envs.LAYOUTS["state"]), space["desired_goal"].shape[0]  # type: ignore[index]
        action_size = example.single_action_space.shape[0]  # type: ignore[index]
        observations = {"vector": ((vector_size,), torch.float32)}
        spec = RingSpec(capacity, settings.num_envs, observations, goal_size, action_size, device=self.device)
        self.ring = Ring(spec, goal_space=EnvironmentGoals(goal_size, envs.reward_fn(settings.env_id)))
        example.close()
        fill(self.ring.storage, settings.transitions)

    def run(self, seconds: float) -> Counts:
        size = self.settings.batch_size
        calls, elapsed = repeat(self._sample, seconds, lambda: synchronize(self.device))
        return {"batches": calls * self.together, "transitions": calls * self.together * size, "seconds": elapsed}

    def _sample(self) -> None:
        size = self.settings.batch_size
        self.ring.sample(self.together * size).split(size)

    def close(self) -> None:
        pass


class Updating:
    """`SAC.update` on one batch that stays the same.

    Args:
        settings: of the run.
        mode: --accelerate.
        preset: another one than the book's: "push" adds LayerNorm, normaliser and clipped targets; "push-pixels" has
            an encoder of its own, and several updates of actor and critic on each of its passes, which count.
    """

    def __init__(self, settings: Settings, mode: str, preset: str | None = None) -> None:
        config = config_of(settings, mode, preset)
        self.evaluator, self.updates = Evaluator(config, workers=0), config.updates_per_encoding
        agent = self.evaluator.agent
        self.learner = Learner(self.evaluator.config, agent, shift_seed=0)
        self.update = self._eager
        if mode == "max" and agent.device.type == "cuda":
            self.update = CudaGraphUpdate(self._eager, [agent.generator], self.learner.sac.optimizers.values())
        generator = torch.Generator().manual_seed(settings.seed)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(settings.batch_size, *shape, generator=generator).to(agent.device)

        def observation() -> Observation:
            obs = {"vector": normal(self.evaluator.vector_size)}
            if config.view is None:
                return obs
            if config.goal_motion:
                obs["estimate_before"] = normal(self.evaluator.goal_size)
            shape = settings.batch_size, *config.view.shape[:2], config.view.shape[2] * config.frame_stack
            return obs | {"pixels": torch.randint(256, shape, dtype=torch.uint8, generator=generator).to(agent.device)}

        obs, goal = observation(), normal(self.evaluator.goal_size)
        agent.update_normalizers(obs["vector"], goal, goal)
        self.batch = Batch(
            obs=obs,
            next_obs=observation(),
            action=normal(self.evaluator.action_size).tanh(),
            reward=-(normal() > 0).float(),
            discount=torch.full_like(normal(), config.gamma),
            goal=goal,
            next_goal=goal,
            achieved_goal=goal,
        )

    def _eager(self) -> dict[str, torch.Tensor]:
        return self.learner.update([self.batch] * self.updates)[0]

    def run(self, seconds: float) -> Counts:
        count, elapsed = repeat(self.update, seconds, lambda: synchronize(self.evaluator.agent.device))
        return {"updates": count * self.updates, "seconds": elapsed}

    def close(self) -> None:
        self.evaluator.close()


def bytes_per_transition(settings: Settings) -> float:
    """Bytes of the ring's tables per transition, without the extra observation at the end of 50 steps."""
    trainer = Trainer(replace(config_of(settings, "off"), buffer_size=100 * settings.num_envs, batch_size=16))
    trainer.close()
    return sum(table.nbytes for table in trainer.ring.storage.tables.values()) / (
        trainer.ring.storage.slots * trainer.ring.storage.num_envs
    )


def encoder_passes(settings: Settings) -> float:
    """Batches of images that go through an encoder in one update."""
    updating, rows = Updating(settings, "off"), 0

    def count(_module: Any, _inputs: Any, features: torch.Tensor) -> None:
        nonlocal rows
        rows += len(features)

    updating.evaluator.agent.encoder.register_forward_hook(count)
    updating.learner.update([updating.batch])
    updating.close()
    return rows / settings.batch_size


def synchronize(device: torch.device) -> None:
    """Wait for the device's queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def fill(storage: Storage, transitions: int) -> None:
    """Put `transitions` of made-up episodes into an empty storage, as its own methods would (a test compares).

    Goals lie within a few centimetres of each other, so that relabelled rewards are mixed.
    """
    episodes = transitions // (storage.num_envs * EPISODE)
    length = EPISODE + 1  # observations
    slots = min(storage.slots, episodes * length)
    rows = slots * storage.num_envs  # of the flat tables: time * environments + environment
    generator = torch.Generator(storage.device).manual_seed(0)
    for name in ("vector", "action"):
        storage.tables[name][:rows].uniform_(-1, 1, generator=generator)
    for name in ("achieved_goal", "desired_goal"):
        storage.tables[name][:rows].uniform_(0, 0.1, generator=generator)
    storage.tables["reward"][:rows] = -1.0
    time = torch.arange(slots, device=storage.device).repeat_interleave(storage.num_envs)  # of each row
    storage.tables["start"][:rows] = time // length * length
    storage.tables["end"][:rows] = (time // length * length + EPISODE).clamp(max=slots - 1)
    nth = time  # the table of transitions has a row for the n-th of each environment
    storage.tables["transition"][:rows] = nth // EPISODE * length + nth % EPISODE
    storage.cursors["newest"].fill_(slots - 1)
    storage.cursors["start"].fill_((slots - 1) // length * length)
    storage.cursors["added"].fill_(slots - math.ceil(slots / length))
