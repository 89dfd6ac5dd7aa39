"""The eager update as one CUDA graph: recorded once, launched by one call from then on, without Python in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

WARMUP = 5  # updates that run as they are: what is made at first use must not be made within the recording


class CudaGraphUpdate:
    """CUDA graph of one update, with the sampling before it where that is possible.

    What differs between replays is in tensors that are changed in place (the ring's tables and cursors, or a minibatch
    that was sampled outside; normalisers, weights, the optimizers' state) and in the registered generators: each replay
    samples other numbers, also from episodes that were stored after the capture. Nothing in it may wait for the device.

    Args:
        step: updates, on a minibatch that it samples or finds in its place; returns metrics and other tensors.
        generators: those that it samples from, on the device.
        optimizers: those that it steps.
    """

    def __init__(
        self,
        step: Callable[[], Any],
        generators: Sequence[torch.Generator],
        optimizers: Iterable[torch.optim.Optimizer],
    ) -> None:
        self.step, self.generators, self.optimizers = step, generators, tuple(optimizers)
        self.done = 0
        self.aside = torch.cuda.Stream()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.result: Any = None

    def __call__(self) -> Any:
        """One update; the tensors that it returns are overwritten by the next."""
        if self.graph is None and self.done < WARMUP:
            self.done += 1
            return self._aside()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            for generator in self.generators:
                self.graph.register_generator_state(generator)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["capturable"] = True  # not before: torch warns of steps that are not captured
                    group["lr"] = torch.tensor(group["lr"], device="cuda")  # a number would be the same in all replays
            with torch.cuda.graph(self.graph):
                self.result = self.step()
        self.graph.replay()
        return self.result

    def _aside(self) -> Any:
        """On a stream other than the default one, as it will be captured."""
        self.aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.aside):
            result = self.step()
        torch.cuda.current_stream().wait_stream(self.aside)
        return result
