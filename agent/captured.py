"""The eager update as one CUDA graph: captured once, then replayed by a single call, without Python in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

WARMUP = 5  # eager updates before the capture, so that nothing created at first use is created within the capture


class CudaGraphUpdate:
    """CUDA graph of one update, including the sampling of its minibatch where possible.

    Everything that differs between replays of the graph is in tensors changed in place (the ring's tables and cursors,
    or a minibatch sampled outside; normalisers, weights, optimizer state) and in the registered generators. So each
    replay samples anew, also from episodes stored after the capture. `step` must never wait for the device.

    Args:
        step: makes one update, on a minibatch that it samples or that was put in place; returns metrics and tensors.
        generators: the device's generators that `step` draws from.
        optimizers: the optimizers that `step` uses.
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
        """Make one update. The next call overwrites the returned tensors."""
        if self.graph is None and self.done < WARMUP:
            self.done += 1
            return self._aside()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            for generator in self.generators:
                self.graph.register_generator_state(generator)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["capturable"] = True  # only now: torch warns of capturable steps outside a capture
                    group["lr"] = torch.tensor(group["lr"], device="cuda")  # a float would be constant in all replays
            with torch.cuda.graph(self.graph):
                self.result = self.step()
        self.graph.replay()
        return self.result

    def _aside(self) -> Any:
        """Run `step` eagerly on a side stream, as in the capture."""
        self.aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.aside):
            result = self.step()
        torch.cuda.current_stream().wait_stream(self.aside)
        return result
