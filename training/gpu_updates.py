"""`Updates` made faster on a GPU, behind the same methods: minibatches sampled ahead, the update as a CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from agent.captured import CudaGraphUpdate
from agent.sac import Metrics
from replay import Batch, Prefetcher
from training.updates import Updates


class PrefetchedUpdates:
    """Updates on minibatches that are sampled in the host's memory while the GPU computes.

    Args:
        eager: samples and updates.
    """

    def __init__(self, eager: Updates) -> None:
        self.eager, self.update = eager, eager.update
        self.prefetcher = Prefetcher(eager.sample, eager.device)

    def batches(self, updates: int) -> Iterator[list[Batch]]:
        """Minibatches as of `Updates.batches`; launch the update on each before taking the next."""
        return map(self.eager.split, self.prefetcher.take(updates))


class CudaGraphUpdates:
    """Updates as a CUDA graph, which includes the sampling where possible.

    Args:
        eager: samples and updates.
        rewards_on_device: whether relabelled rewards are computed on the ring's device, not by the environment itself:
            numpy's rewards and the host's memory stay outside of a graph.

    Attributes:
        static: input of a graph without sampling, overwritten before each replay; parts as in `Updates.sample`.
    """

    def __init__(self, eager: Updates, rewards_on_device: bool) -> None:
        self.eager, sac = eager, eager.learner.sac
        self.prefetcher = Prefetcher(eager.sample, eager.device) if eager.ring.device.type == "cpu" else None
        self.samples = rewards_on_device and eager.ring.device == eager.device
        self.static: list[Batch] = []
        generators = [sac.agent.generator, eager.learner.shift.generator]
        if self.samples:
            generators.append(eager.ring.generator)
        self.graph = CudaGraphUpdate(self.learn, generators, sac.optimizers.values())

    def batches(self, updates: int) -> Iterator[list[Batch]]:
        """Minibatches of each update, to be split within the graph; empty if the graph samples by itself."""
        if self.samples:
            return iter([[]] * updates)
        if self.prefetcher is not None:
            return self.prefetcher.take(updates)
        return ([part.to(self.eager.device) for part in self.eager.sample()] for _ in range(updates))

    def update(self, parts: list[Batch]) -> Metrics:
        """Make one update; the next one overwrites the returned metrics."""
        self.static = self.static or parts
        for place, part in zip(self.static, parts, strict=True):
            place.copy_(part)
        metrics, estimates = self.graph()
        self.eager.overwrite(estimates)  # outside of the graph: the replay may be in the host's memory
        return metrics

    def learn(self) -> tuple[Metrics, list[tuple[Tensor, Tensor]]]:
        """Make the update that the graph records. Returns its metrics, and estimates to store, as of
        `Updates.new_estimates`."""
        batches = self.eager.split(self.static) if self.static else self.eager.batches(1)[0]
        metrics, features = self.eager.learner.update(batches)
        keeps = self.eager.config.keeps_estimates
        return metrics, self.eager.new_estimates(batches[0], features) if keeps else []


AnyUpdates = Updates | PrefetchedUpdates | CudaGraphUpdates


def fastest(eager: Updates, rewards_on_device: bool, alone: bool) -> tuple[AnyUpdates, str | None]:
    """Fastest kind of updates on the learner's device; and the reason if they cannot be a CUDA graph.

    Args:
        alone: whether this is the only rank.
    """
    if eager.device.type != "cuda":
        return eager, "the learner is on a CPU"
    why = None if alone else "several ranks wait for one another"
    if eager.config.accelerate == "max" and why is None:
        return CudaGraphUpdates(eager, rewards_on_device), None
    return PrefetchedUpdates(eager) if eager.ring.device.type == "cpu" else eager, why
