"""Random shifts of pictures (Yarats et al. 2021; Laskin et al. 2020), by whole pixels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from replay.batch import Batch


class RandomShift:
    """Shifts the pictures of minibatches, on the device where they are.

    Args:
        pad: the most pixels in each direction; 0 leaves pictures alone.
        shared: an observation and the next one are shifted alike; else each by its own.
        device, seed: of the random numbers.
    """

    def __init__(self, pad: int, shared: bool, device: torch.device | str = "cpu", seed: int = 0) -> None:
        self.pad, self.shared = pad, shared
        self.generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, batch: Batch) -> Batch:
        if not self.pad or batch.pixels is None or batch.next_pixels is None:
            return batch
        offset = random_offsets(len(batch.pixels), self.pad, self.generator)
        own = offset if self.shared else random_offsets(len(batch.pixels), self.pad, self.generator)
        return replace(batch, pixels=shift(batch.pixels, offset), next_pixels=shift(batch.next_pixels, own))

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state_dict()`."""
        self.generator.set_state(state["generator"].cpu())


def shift(pixels: Tensor, offset: Tensor) -> Tensor:
    """Move each picture's content; the border is filled with its nearest pixels.

    The same as padding by repetition and cropping at `pad + offset`, in one gather and without the padded copy.

    Args:
        pixels: (B, H, W, C).
        offset: (B, 2) int64, rows and columns that the crop moves down and right.

    Returns:
        (B, H, W, C), of the same dtype.
    """
    rows, columns = (
        (torch.arange(length, device=pixels.device) + offset[:, axis, None]).clamp(0, length - 1)  # (B, length)
        for axis, length in enumerate(pixels.shape[1:3])
    )
    batch = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels[batch, rows[:, :, None], columns[:, None, :]]


def random_offsets(count: int, pad: int, generator: torch.Generator) -> Tensor:
    """(count, 2) whole numbers, each of -pad .. pad equally likely."""
    return torch.randint(-pad, pad + 1, (count, 2), device=generator.device, generator=generator)
