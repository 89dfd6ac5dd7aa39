"""Minibatches out of the replay and updates on them, eager or as a CUDA graph: the loop calls both alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from agent.captured import CudaGraphUpdate
from agent.sac import Metrics
from replay import Batch, Prefetcher, Ring
from training.config.flags import Config
from training.learner import Learner


class Updates:
    """`batches(n)` yields what `update` takes.

    Args:
        config: this rank's.
        learner: updates.
        ring: is sampled.
        rewards_on_device: whether relabelled rewards are computed where the ring is, not by the environment itself.
        alone: whether no other rank has to be waited for.

    Attributes:
        why_no_cuda_graph: why the update cannot be a CUDA graph, if it cannot.
    """

    def __init__(self, config: Config, learner: Learner, ring: Ring, rewards_on_device: bool, alone: bool) -> None:
        self.config, self.learner, self.ring, self.device = config, learner, ring, learner.agent.device
        on_gpu = self.device.type == "cuda"
        self.prefetcher = Prefetcher(self._sample, self.device) if on_gpu and ring.device.type == "cpu" else None
        # A graph samples its minibatches itself where it can: numpy's rewards and the host's memory stay outside of it.
        self.samples_in_graph = ring.device == self.device and rewards_on_device
        self.static: list[Batch] = []  # what a graph that does not sample learns from, overwritten each time
        self.why_no_cuda_graph = "the learner is on a CPU" if not on_gpu else None
        if on_gpu and not alone:
            self.why_no_cuda_graph = "several ranks wait for one another"
        self.cuda_graph = self._capture() if config.accelerate == "max" and self.why_no_cuda_graph is None else None

    def _capture(self) -> CudaGraphUpdate:
        sac = self.learner.sac
        generators = [sac.agent.generator, self.learner.shift.generator]
        if self.samples_in_graph:
            generators.append(self.ring.generator)
        return CudaGraphUpdate(lambda: self._learn(self._graph_batches()), generators, sac.optimizers.values())

    def batches(self, updates: int) -> Iterable[list[Batch]]:
        """Minibatches of each update: one, or one for each update of actor and critics on the same encoder pass.

        They are sampled while a GPU computes, where the replay is in the host's memory. There are none for a CUDA graph
        that samples by itself.
        """
        if self.cuda_graph is not None:
            return [[]] * updates if self.samples_in_graph else self._sampled(updates)
        return self.minibatches(updates) if self.prefetcher is None else map(self._split, self._sampled(updates))

    def update(self, batches: list[Batch]) -> Metrics:
        """One update, eager or by the graph, whose metrics the next one overwrites."""
        if self.cuda_graph is None:
            metrics, estimates = self._learn(batches)
        else:
            self.static = self.static or batches
            for place, batch in zip(self.static, batches, strict=True):
                place.copy_(batch)
            metrics, estimates = self.cuda_graph()
        for index, estimate in estimates:
            self.ring.storage.rewrite("estimate", index, estimate)
        return metrics

    def _learn(self, batches: list[Batch]) -> tuple[Metrics, list[tuple[Tensor, Tensor]]]:
        """One update. Returns its metrics and, where the ring keeps estimates, the new ones: index (P,) and estimate
        (P, G) of the encoded observations and of the next ones."""
        metrics, features = self.learner.update(batches)
        if not self.config.keeps_estimates:
            return metrics, []
        first, denormalized_estimate = batches[0], self.learner.agent.denormalized_estimate
        return metrics, [
            (first.obs["index"], denormalized_estimate(features.critic)),
            (first.next_obs["index"], denormalized_estimate(features.next_critic)),
        ]

    def minibatches(self, updates: int) -> list[list[Batch]]:
        """The same, sampled now instead of ahead."""
        size = self.config.batch_size
        if not self.config.layout.pixels:  # sampled in one call
            together = self.ring.sample(updates * size, horizon=self.learner.horizon).to(self.device)
            return [[batch] for batch in together.split(size)]
        return [self._split(parts) for parts in self._sampled(updates)]

    def _graph_batches(self) -> list[Batch]:
        """What a graph's update learns from."""
        return self._split(self.static) if self.static else self.minibatches(1)[0]

    def _sampled(self, updates: int) -> Iterator[list[Batch]]:
        """What each update learns from, on the learner's device, one after another."""
        if self.prefetcher is not None:
            return self.prefetcher.take(updates)
        return ([part.to(self.device) for part in self._sample()] for _ in range(updates))

    def _sample(self) -> list[Batch]:
        """Sample the data of one update, to be split. Without kept estimates: transitions with goals for all of its
        steps. With them: transitions with images for the first step, and others without images for the rest."""
        config, goals = self.config, self.config.goals_per_image
        size, further, horizon = config.batch_size, config.updates_per_encoding - 1, self.learner.horizon
        if not config.keeps_estimates:
            return [self.ring.sample(size, goals * (1 + further), horizon)]
        seen = self.ring.sample(size, goals, horizon, names=("vector", "pixels", "index"))
        return [seen, self.ring.sample(size * goals * further, names=("vector", "estimate"))] if further else [seen]

    def _split(self, parts: list[Batch]) -> list[Batch]:
        """A batch for each step of an update."""
        size = self.config.goals_per_image * self.config.batch_size
        return [batch for part in parts for batch in part.split(size)]
