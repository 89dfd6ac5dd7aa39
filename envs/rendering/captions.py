"""Short texts on the images of a film."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE, MARGIN = 15, 4  # pixels: of the letters, and around the text
HEIGHT = SIZE + 2 * MARGIN  # pixels, height of a line
WHITE, GREEN = (255, 255, 255), (120, 230, 120)


def write(
    image: NDArray[np.uint8], text: str, left: int = 0, top: int = 0, color: tuple[int, int, int] = WHITE
) -> None:
    """Write a line on `image` (H, W, 3) in place, on a darkened band as long as the text; cut off where it ends."""
    letters = _letters(text)[: len(image) - top, : image.shape[1] - left]
    place = image[top : top + len(letters), left : left + letters.shape[1]]
    dark = place // 3
    place[:] = dark + (letters[..., None] / 255 * (np.array(color) - dark.astype(float))).astype(np.uint8)


def width(text: str) -> int:
    """Width of a line in pixels."""
    return _letters(text).shape[1]


@functools.lru_cache(maxsize=64)
def _letters(text: str) -> NDArray[np.uint8]:
    """Coverage of each pixel by the letters, (h, w), from 0 to 255."""
    font = ImageFont.load_default(SIZE)
    canvas = Image.new("L", (int(font.getlength(text)) + 2 * MARGIN, HEIGHT))
    ImageDraw.Draw(canvas).text((MARGIN, MARGIN - 1), text, 255, font)
    return np.asarray(canvas)
