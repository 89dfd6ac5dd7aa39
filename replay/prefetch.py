"""Minibatches for a GPU out of a replay in the host's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from replay.batch import Batch


class Prefetcher:
    """Samples each minibatch, and sends it on its way, while the device still computes with the one before.

    So it was sampled from what was stored a step earlier than it could have been. What is sampled and not taken is not
    saved with a run.

    Args:
        sample: gives the next minibatch, in the host's memory.
        device: where it is wanted.
    """

    def __init__(self, sample: Callable[[], Batch], device: torch.device) -> None:
        self._sample, self._device = sample, device
        # Copies on the device's own stream would begin when what was launched before them is done.
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._next: Batch | None = None

    def take(self, count: int) -> Iterator[Batch]:
        """`count` minibatches, each to be launched to the device before the next is taken."""
        for _ in range(count):
            batch, self._next = self._next or self._send(), None
            if self._copies is not None:
                here = torch.cuda.current_stream(self._device)
                here.wait_stream(self._copies)
                for part in batch.tensors():
                    part.record_stream(here)  # its memory is not free before this stream is done with it
            yield batch
            self._next = self._send()

    def _send(self) -> Batch:
        with torch.cuda.stream(self._copies):  # of None: this changes nothing
            return self._sample().to(self._device)
