"""Images in a file instead of in memory."""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

UNKNOWN = -1  # checksum of a row that this process neither wrote nor took over from a checkpoint


class ImagesDamaged(Exception):
    """Images in a file differ from those that were stored, although nothing overwrote them."""


class OnDisk:
    """Images in a file that outlives the process, so that a checkpoint of a full ring stays small.

    A killed run has overwritten some images since its last checkpoint. So each image has a number: images written
    later, by this process or another, have greater numbers. A checkpoint keeps the numbers of its images and trusts the
    file only where the numbers match. (After a power cut, the system may have lost a number and kept the image: only
    data written up to the last checkpoint is flushed.) A checkpoint also keeps a CRC-32 of each image, computed when
    the image was stored, so that a damaged image is noticed when the run is resumed.

    Args:
        file: the images; `file` with ".numbers" appended holds the number of each image, 0 for none.
        shape: shape of the array of all images, (rows, H, W, C).

    Raises:
        ValueError: if the file exists but has another size, or its numbers are missing or have another size.
        OSError: if the file cannot be created.
    """

    def __init__(self, file: Path, shape: tuple[int, ...]) -> None:
        numbers = Path(f"{file}.numbers")
        sizes = {numbers: 8 * shape[0], file: math.prod(shape)}  # numbers first: no file of images is without them
        if not file.exists():  # allocate all of it: a disk that is too small fails now, not hours later
            for path, size in sizes.items():
                with open(path, "wb") as empty:
                    os.posix_fallocate(empty.fileno(), 0, size)
        if any(not path.is_file() or path.stat().st_size != size for path, size in sizes.items()):
            raise ValueError(f"{file} is not the whole of this ring's images, or {numbers.name} is missing")
        self._maps = np.memmap(file, np.uint8, "r+", shape=shape), np.memmap(numbers, np.int64, "r+", shape=shape[:1])
        self.pixels, self.numbers = (torch.from_numpy(one) for one in self._maps)
        self.latest = int(self.numbers.max())
        self.file, self.checksums = file, torch.full(shape[:1], UNKNOWN, dtype=torch.int64)

    def write(self, rows: Tensor, pixels: Tensor) -> None:
        """Store images (R, H, W, C) in `rows` (R,)."""
        self.latest += 1
        self.numbers[rows] = self.latest  # first: no checkpoint trusts a row that a kill leaves half written
        self.checksums[rows] = _checksums(pixels)
        self.pixels[rows] = pixels

    def put_back(self, rows: Tensor, pixels: Tensor, numbers: Tensor) -> None:
        """Store images (R, H, W, C) in `rows` (R,) again, under their old `numbers` (R,)."""
        self.pixels[rows] = pixels
        self.checksums[rows] = _checksums(pixels)
        self.numbers[rows] = numbers

    def take_over(self, rows: Tensor, checksums: Tensor) -> None:
        """Check the images in `rows` (R,) against their `checksums` (R,) of when they were stored, and adopt them.

        Reads all images with known checksums. Raises ImagesDamaged if any checksum differs.
        """
        known = checksums != UNKNOWN
        found = torch.tensor([zlib.crc32(self._maps[0][row]) for row in rows[known].tolist()], dtype=torch.int64)
        if damaged := int((found != checksums[known]).sum()):
            raise ImagesDamaged(f"{damaged} of {len(found)} images in {self.file} are not what was stored there")
        self.checksums[rows] = checksums

    def flush(self) -> None:
        """Flush all written data to the disk."""
        for one in self._maps:
            one.flush()


def _checksums(pixels: Tensor) -> Tensor:
    """CRC-32 of each of the images (R, H, W, C), (R,) int64."""
    return torch.tensor([zlib.crc32(image) for image in np.ascontiguousarray(pixels)], dtype=torch.int64)
