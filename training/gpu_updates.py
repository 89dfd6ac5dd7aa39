"""`Updates` made faster on a GPU: minibatches sampled ahead, the update as a CUDA graph. The loop calls all alike."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from agent.captured import CudaGraphUpdate
from agent.sac import Metrics
from replay import Batch, Prefetcher
from training.updates import Updates


class PrefetchedUpdates:
    """Minibatches out of the host's memory, sampled while the GPU computes.

    Args:
        eager: samples and updates.
    """

    def __init__(self, eager: Updates) -> None:
        self.eager, self.update = eager, eager.update
        self.prefetcher = Prefetcher(eager.sample, eager.device)

    def batches(self, updates: int) -> Iterator[list[Batch]]:
        """As `Updates.batches`, each to be launched before the next is taken."""
        return map(self.eager.split, self.prefetcher.take(updates))


class CudaGraphUpdates:
    """Updates by a CUDA graph, which samples its minibatches itself where it can.

    Args:
        eager: samples and updates.
        rewards_on_device: whether relabelled rewards are computed where the ring is, not by the environment itself:
            numpy's rewards and the host's memory stay outside of a graph.

    Attributes:
        static: what a graph that does not sample learns from, overwritten each time; as in `Updates.sample`.
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
        """What each update learns from, to be split within the graph; nothing where the graph samples by itself."""
        if self.samples:
            return iter([[]] * updates)
        if self.prefetcher is not None:
            return self.prefetcher.take(updates)
        return ([part.to(self.eager.device) for part in self.eager.sample()] for _ in range(updates))

    def update(self, parts: list[Batch]) -> Metrics:
        """One update, whose metrics the next one overwrites."""
        self.static = self.static or parts
        for place, part in zip(self.static, parts, strict=True):
            place.copy_(part)
        metrics, estimates = self.graph()
        self.eager.overwrite(estimates)  # outside of the graph: the replay may be in the host's memory
        return metrics

    def learn(self) -> tuple[Metrics, list[tuple[Tensor, Tensor]]]:
        """What the graph records: an update. Returns metrics and, as of `Updates.new_estimates`, what is to be kept."""
        batches = self.eager.split(self.static) if self.static else self.eager.batches(1)[0]
        metrics, features = self.eager.learner.update(batches)
        keeps = self.eager.config.keeps_estimates
        return metrics, self.eager.new_estimates(batches[0], features) if keeps else []


AnyUpdates = Updates | PrefetchedUpdates | CudaGraphUpdates


def fastest(eager: Updates, rewards_on_device: bool, alone: bool) -> tuple[AnyUpdates, str | None]:
    """The updates as the learner's device makes them fastest; and why they are no CUDA graph, if they cannot be one.

    Args:
        alone: whether no other rank has to be waited for.
    """
    if eager.device.type != "cuda":
        return eager, "the learner is on a CPU"
    why = None if alone else "several ranks wait for one another"
    if eager.config.accelerate == "max" and why is None:
        return CudaGraphUpdates(eager, rewards_on_device), None
    return PrefetchedUpdates(eager) if eager.ring.device.type == "cpu" else eager, why
