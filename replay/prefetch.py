"""Minibatches for a GPU, sampled from a replay in the host's memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch

from replay.batch import Batch


class Prefetcher:
    """Sample and send each minibatch while the device still computes with the previous minibatch.

    So the first minibatch of each `take` was sampled at the end of the previous `take`, and misses the environment
    steps stored in between. A minibatch that was sampled but not taken is not saved with a run.

    Args:
        sample: samples the next minibatch, in the host's memory, in one or several parts.
        device: where the minibatch is sent.
    """

    def __init__(self, sample: Callable[[], list[Batch]], device: torch.device) -> None:
        self._sample, self._device = sample, device
        # On the device's current stream, copies would wait for everything launched before them.
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._next: list[Batch] | None = None

    def take(self, count: int) -> Iterator[list[Batch]]:
        """Yield `count` minibatches. Launch the update on each minibatch before taking the next."""
        for _ in range(count):
            parts, self._next = self._next or self._send(), None
            if self._copies is not None:
                here = torch.cuda.current_stream(self._device)
                here.wait_stream(self._copies)
                for tensor in itertools.chain.from_iterable(part.tensors() for part in parts):
                    tensor.record_stream(here)  # keep its memory until this stream is done with it
            yield parts
            self._next = self._send()

    def forget(self) -> None:
        """Drop the minibatch sampled ahead, because the stored goals have changed."""
        self._next = None

    def _send(self) -> list[Batch]:
        with torch.cuda.stream(self._copies):  # None: no effect
            return [part.to(self._device) for part in self._sample()]
