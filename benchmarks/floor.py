"""Least possible and measured cost of an update and an environment step on this machine, by part.

The floor of a part is the time of its floating-point operations, at the machine's rate on a large operation of their
kind, plus the time of its unavoidable memory traffic, at the rate of a copy. Maps between layers are not counted: they
may stay in the cache.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

import envs
from agent.accelerate import CHUNK
from agent.features import encode
from benchmarks.ours import fill, synchronize
from replay import Batch
from training.config.flags import Config
from training.gpu_updates import CudaGraphUpdates
from training.trainer import Trainer

STEPS = 60  # of each environment, that fill the replay: more than an episode
FILLED = 200_000  # made-up transitions, from state
ADAM_BYTES = 28  # per parameter: reads it, its gradient and two moments; writes all but the gradient
POLYAK_BYTES = 12  # per target parameter: reads it and the online one, writes it


@dataclass(frozen=True)
class Rates:
    """Rates of this machine, with the learner's device, threads and dtype."""

    convolution: float  # FLOP/s: 3x3, 32 to 32 maps of 42x42
    product: float  # FLOP/s: 512x512x512, on a GPU 8192x8192x8192
    copy: float  # bytes/s, read and written


PHYSICS, REST = "physics (mj_step)", "observation, reward, resets"


class Part(NamedTuple):
    """A part of an update; floor and measured time in milliseconds."""

    name: str
    gflop: float
    megabytes: float
    floor: float
    measured: float


def seconds_of(*works: Callable[[], Any], device: torch.device, rounds: int = 9, least: float = 0.15) -> list[float]:
    """Seconds per call of each of `works`, the median over `rounds` in turn, each of at least `least` seconds."""
    found: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, values in zip(works, found, strict=True):
            begun, count = time.perf_counter(), 0
            while time.perf_counter() - begun < least:
                work()
                count += 1
            synchronize(device)
            if number:  # the first one warms up
                values.append((time.perf_counter() - begun) / count)
    return [statistics.median(values) for values in found]


@torch.no_grad()
def measured_rates(device: torch.device, bfloat16: bool) -> Rates:
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    # On a GPU the operation is so large that its launch takes next to nothing.
    images, side, size = (4096, 8192, 1 << 30) if device.type == "cuda" else (CHUNK, 512, 1 << 26)
    maps = torch.randn(images, 32, 42, 42, device=device).to(dtype, memory_format=torch.channels_last)
    kernel = torch.randn(32, 32, 3, 3, device=device).to(dtype, memory_format=torch.channels_last)
    square = torch.randn(side, side, device=device).to(dtype)
    source, target = (torch.ones(size, dtype=torch.uint8, device=device) for _ in range(2))
    works = (lambda: F.conv2d(maps, kernel, padding=1), lambda: square @ square, lambda: target.copy_(source))
    counts = (2 * images * 42 * 42 * 32 * 32 * 9, 2 * side**3, 2 * size)
    return Rates(*(count / taken for count, taken in zip(counts, seconds_of(*works, device=device), strict=True)))


class Learner:
    """A trainer with a few episodes in its replay, and the parts of its update."""

    def __init__(self, config: Config) -> None:
        observations = max(STEPS * 2 * config.num_envs, 2 * FILLED if config.view is None else 0)
        config = replace(config, buffer_size=observations, replay_on_disk=False, run_dir=None)
        self.trainer = Trainer(config)
        if config.view is None:  # more than a cache holds
            fill(self.trainer.ring.storage, FILLED)
        self.trainer.start()
        for _ in range(STEPS):
            self.trainer.collector.begin_step(explore_only=True)
            self.trainer.collector.end_step()
        self.agent, self.device = self.trainer.agent, self.trainer.device
        self.batches = self.trainer.eager_updates.batches(1)[0]

    def parts(self, rates: Rates) -> list[Part]:
        """Parts of an update: sampling, the encoder's pass and gradient, actor and critics, their optimizers; then the
        sum."""
        sac, batches, heads = self.trainer.learner.sac, self.batches, len(self.batches)
        agent = sac.agent
        features = encode(agent, batches[0]).detach()

        def behind() -> None:
            for batch in batches:
                sac.update_from(encode(agent, batch) if "estimate" in batch.obs else features, batch)

        def step() -> None:  # as often as in an update, by the gradients of the latest one
            for _ in batches:
                for optimizer in sac.optimizers.values():
                    optimizer.step()
                sac.update_target()

        whole = lambda: self.trainer.learner.update(batches)  # noqa: E731
        images = lambda: encode(agent, batches[0])  # noqa: E731
        sample = lambda: self.trainer.eager_updates.batches(1)  # noqa: E731
        seconds = seconds_of(sample, images, whole, behind, step, device=self.device)
        flops = [flops_of(work) for work in (images, behind, whole)]
        owned = sum(p.numel() for name in ("critic", "actor") for p in getattr(agent, name).parameters())
        targets = sum(p.numel() for p in sac.target_parameters)
        encoders = [one for one in (agent.encoder, agent.actor_encoder) if one is not None]
        eyes = sum(p.numel() for encoder in encoders for p in encoder.parameters())
        stepped = heads * (ADAM_BYTES * owned + POLYAK_BYTES * targets)

        def part(name: str, flop: tuple[float, float], moved: float, measured: float) -> Part:
            floor = flop[0] / rates.convolution + flop[1] / rates.product + moved / rates.copy
            return Part(name, sum(flop) / 1e9, moved / 1e6, 1e3 * floor, 1e3 * measured)

        gradient = tuple(flops[2][i] - flops[1][i] - flops[0][i] for i in range(2))
        found = [
            part("sample", (0.0, 0.0), 2.0 * bytes_of(batches), seconds[0]),
            part("encode", flops[0], float(images_of(batches[0])), seconds[1]),
            part("the encoder's gradient and step", gradient, ADAM_BYTES * eyes, seconds[2] - seconds[3] - seconds[1]),  # type: ignore[arg-type]
            part(f"actor and critics, {heads}x", flops[1], 0.0, seconds[3] - seconds[4]),
            part(f"their optimizers and targets, {heads}x", (0.0, 0.0), stepped, seconds[4]),
        ]
        if not eyes:  # from state there is nothing to encode
            del found[1:3]
        totals = [sum(one[column] for one in found) for column in range(1, 5)]  # type: ignore[misc]
        found.append(Part("all of it", totals[0], totals[1], totals[2], 1e3 * (seconds[0] + seconds[2])))
        updates = self.trainer.updates
        if updates is not self.trainer.eager_updates:
            loop = lambda: [updates.update(sampled) for sampled in updates.batches(1)]  # noqa: E731
            (taken,) = seconds_of(loop, device=self.device)
            how = "as a CUDA graph" if isinstance(updates, CudaGraphUpdates) else "minibatches sampled ahead"
            found.append(found[-1]._replace(name=f"all of it, {how}", measured=1e3 * taken))
        return found

    def close(self) -> None:
        self.trainer.close()


def flops_of(work: Callable[[], Any]) -> tuple[float, float]:
    """Floating-point operations of `work` in convolutions, and in matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    counts = {str(operator): count for operator, count in counter.get_flop_counts().get("Global", {}).items()}
    convolutions = sum(count for operator, count in counts.items() if "convolution" in operator)
    return float(convolutions), float(sum(counts.values()) - convolutions)


def bytes_of(batches: Sequence[Batch]) -> int:
    """Bytes of minibatches, tensors shared by several counted once."""
    return sum({tensor.data_ptr(): tensor.nbytes for batch in batches for tensor in batch.tensors()}.values())


def images_of(batch: Batch) -> int:
    """Bytes of the images of a batch."""
    return sum(obs["pixels"].nbytes for obs in (batch.obs, batch.next_obs) if "pixels" in obs)


def environment_step(config: Config) -> dict[str, float]:
    """Milliseconds of one environment's step on one core, by part."""
    example = envs.make_vec(config.env_id, 1, workers=0)
    size = example.single_action_space.shape[0]  # type: ignore[index]
    example.close()
    generator = torch.Generator().manual_seed(config.seed)
    actions = torch.rand(97, config.num_envs, size, generator=generator).mul(2).sub(1).numpy()

    def milliseconds(workers: int, view: envs.CameraConfig | None) -> float:
        vec = envs.make_vec(config.env_id, config.num_envs, workers=workers, view=view, seed=0)
        vec.reset()
        number = iter(range(10**9))
        step = lambda: vec.step(actions[next(number) % len(actions)])  # noqa: E731
        (found,) = seconds_of(step, device=torch.device("cpu"), least=0.4)
        vec.close()
        return 1e3 * found / config.num_envs

    with timing_physics() as taken:
        here = milliseconds(0, None)
    physics = 1e3 * statistics.fmean(taken) if taken else 0.0  # one call a step, of what MuJoCo simulates
    there = milliseconds(1, None)
    drawn = milliseconds(0, config.view) - here if config.view is not None else 0.0
    return {PHYSICS: physics, REST: here - physics, "drawing": drawn, "hand-over from a worker": there - here}


@contextlib.contextmanager
def timing_physics() -> Iterator[list[float]]:
    """Yield a list that gets the seconds of each `mj_step` in this process."""
    import mujoco  # after envs, which sees to it that it can be

    plain, taken = mujoco.mj_step, []

    def timed(*arguments: Any, **named: Any) -> None:
        begun = time.perf_counter()
        plain(*arguments, **named)
        taken.append(time.perf_counter() - begun)

    mujoco.mj_step = timed
    try:
        yield taken
    finally:
        mujoco.mj_step = plain
