"""Minibatches for a GPU out of a replay in the host's memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch

from replay.batch import Batch


class Prefetcher:
    """Samples each minibatch, and sends it on its way, while the device still computes with the one before.

    A prefetched minibatch is therefore one environment step stale. What is sampled and not taken is not saved with a
    run.

    Args:
        sample: gives the next minibatch, in the host's memory, in one or several parts.
        device: where it is wanted.
    """

    def __init__(self, sample: Callable[[], list[Batch]], device: torch.device) -> None:
        self._sample, self._device = sample, device
        # Copies on the device's own stream would begin when what was launched before them is done.
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._next: list[Batch] | None = None

    def take(self, count: int) -> Iterator[list[Batch]]:
        """`count` minibatches, each to be launched to the device before the next is taken."""
        for _ in range(count):
            parts, self._next = self._next or self._send(), None
            if self._copies is not None:
                here = torch.cuda.current_stream(self._device)
                here.wait_stream(self._copies)
                for tensor in itertools.chain.from_iterable(part.tensors() for part in parts):
                    tensor.record_stream(here)  # its memory is not free before this stream is done with it
            yield parts
            self._next = self._send()

    def _send(self) -> list[Batch]:
        with torch.cuda.stream(self._copies):  # of None: this changes nothing
            return [part.to(self._device) for part in self._sample()]
