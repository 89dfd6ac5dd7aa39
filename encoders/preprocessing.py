"""Images as published networks were trained to read them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

# ImageNet's statistics of red, green and blue in [0, 1], which all published networks were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess(pixels: Tensor, side: int, mode: str = "bilinear") -> Tensor:
    """Resize images to `side`, scale them to [0, 1], and standardise them by ImageNet's mean and standard deviation.

    Args:
        pixels: (N, H, W, 3) uint8.
        side: pixels per side.
        mode: "bilinear" or "bicubic".

    Returns:
        (N, 3, side, side) float32.
    """
    images = F.interpolate(pixels.permute(0, 3, 1, 2).float(), (side, side), mode=mode, antialias=True)
    mean, std = (images.new_tensor(numbers)[:, None, None] for numbers in (MEAN, STD))
    return (images.clamp(0, 255) / 255 - mean) / std  # bicubic overshoots at edges
