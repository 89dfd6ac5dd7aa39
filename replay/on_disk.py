"""Images in a file instead of in memory."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class OnDisk:
    """Images in a file, which outlive the process: resuming a full ring of them takes no time.

    A run that is killed has overwritten some after its last checkpoint. So each image has a number: one that is written
    later, by this process or another, has a greater one. A checkpoint keeps the numbers of its images and believes the
    file only where it finds them again. (After a power cut the system may have lost a number and kept the image: what
    is flushed is only what was there at the last checkpoint.)

    Args:
        file: the images; `file` with ".numbers" appended holds the number of each, 0 for none.
        shape: of all images.

    Raises:
        ValueError: if the file is there but has another size, or its numbers have.
        OSError: if it cannot be made.
    """

    def __init__(self, file: Path, shape: tuple[int, ...]) -> None:
        numbers = Path(f"{file}.numbers")
        sizes = {numbers: 8 * shape[0], file: math.prod(shape)}  # numbers first: no file of images is without them
        if not file.exists():  # all of it now: a disk that is too small is to be missed now, not hours later
            for path, size in sizes.items():
                with open(path, "wb") as empty:
                    os.posix_fallocate(empty.fileno(), 0, size)
        if any(not path.is_file() or path.stat().st_size != size for path, size in sizes.items()):
            raise ValueError(f"{file} is not the whole of this ring's images, or {numbers.name} is missing")
        self._maps = np.memmap(file, np.uint8, "r+", shape=shape), np.memmap(numbers, np.int64, "r+", shape=shape[:1])
        self.pixels, self.numbers = (torch.from_numpy(one) for one in self._maps)
        self.latest = int(self.numbers.max())

    def write(self, rows: Tensor, pixels: Tensor) -> None:
        """Store images (R, H, W, C) in `rows` (R,)."""
        self.latest += 1
        self.numbers[rows] = self.latest  # first: a row that a kill leaves half written is none that a checkpoint knows
        self.pixels[rows] = pixels

    def put_back(self, rows: Tensor, pixels: Tensor, numbers: Tensor) -> None:
        """Store images again that had `numbers` (R,)."""
        self.pixels[rows] = pixels
        self.numbers[rows] = numbers

    def flush(self) -> None:
        """See to it that what has been written is on the disk."""
        for one in self._maps:
            one.flush()
