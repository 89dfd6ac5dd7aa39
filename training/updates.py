"""Minibatches out of the replay and updates on them, eager or as a CUDA graph: the loop calls both alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
        self.static_batch: Batch | None = None  # what a graph that does not sample learns from, overwritten each time
        self.why_no_cuda_graph = "the learner is on a CPU" if not on_gpu else None
        if on_gpu and not alone:
            self.why_no_cuda_graph = "several ranks wait for one another"
        self.cuda_graph = self._capture() if config.accelerate == "max" and self.why_no_cuda_graph is None else None

    def _capture(self) -> CudaGraphUpdate:
        sac = self.learner.sac
        generators = [sac.agent.generator, self.learner.shift.generator]
        if self.samples_in_graph:
            generators.append(self.ring.generator)
        return CudaGraphUpdate(lambda: self.learner.update(self._of_graph()), generators, sac.optimizers.values())

    def batches(self, updates: int) -> Iterable[list[Batch]]:
        """For each update the batches that it takes: one, or one for each of its steps behind the encoder.

        They are sampled while a GPU computes, where the replay is in the host's memory. There are none for a CUDA graph
        that samples by itself.
        """
        if self.cuda_graph is not None:
            return [[]] * updates if self.samples_in_graph else ([batch] for batch in self._sampled(updates))
        return self.minibatches(updates) if self.prefetcher is None else map(self._parts, self._sampled(updates))

    def update(self, batches: list[Batch]) -> Metrics:
        """One update, eager or by the graph, whose metrics the next one overwrites."""
        if self.cuda_graph is None:
            return self.learner.update(batches)
        for batch in batches:
            if self.static_batch is None:
                self.static_batch = batch
            self.static_batch.copy_(batch)
        return self.cuda_graph()

    def minibatches(self, updates: int) -> list[list[Batch]]:
        """The same, sampled now."""
        size = self.config.batch_size
        if not self.config.layout.pixels:  # sampled in one call
            together = self.ring.sample(updates * size, horizon=self.learner.horizon).to(self.device)
            return [[batch] for batch in together.split(size)]
        return [self._parts(batch) for batch in self._sampled(updates)]

    def _of_graph(self) -> list[Batch]:
        """What a graph's update learns from."""
        return self.minibatches(1)[0] if self.static_batch is None else self._parts(self.static_batch)

    def _sampled(self, updates: int) -> Iterator[Batch]:
        """One after another, on the learner's device."""
        if self.prefetcher is not None:
            return self.prefetcher.take(updates)
        return (self._sample().to(self.device) for _ in range(updates))

    def _sample(self) -> Batch:
        goals = self.config.updates_per_encoding * self.config.goals_per_image
        return self.ring.sample(self.config.batch_size, goals, self.learner.horizon)

    def _parts(self, batch: Batch) -> list[Batch]:
        return batch.split(self.config.goals_per_image * self.config.batch_size)
