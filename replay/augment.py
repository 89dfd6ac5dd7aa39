"""Random shifts of pictures (Yarats et al. 2021; Laskin et al. 2020), by whole pixels."""

from __future__ import annotations

import torch
from torch import Tensor


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
