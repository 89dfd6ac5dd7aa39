"""Pictures in a file instead of in memory."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch


class OnDisk:
    """Pictures in a file, which outlive the process: resuming a full ring of them takes no time.

    Args:
        file: the pictures; `file` with ".newest" appended holds, for each lane, the time of the latest one.
        shape: of all pictures.
        lanes: of the ring.

    Raises:
        ValueError: if the file is there but has another size.
        OSError: if it cannot be made.
    """

    def __init__(self, file: Path, shape: tuple[int, ...], lanes: int) -> None:
        size = math.prod(shape)
        mode: Literal["r+", "w+"] = "r+" if file.exists() else "w+"
        if mode == "r+" and (file.stat().st_size != size or not Path(f"{file}.newest").is_file()):
            raise ValueError(f"{file} is not the whole of this ring's pictures, or {file.name}.newest is missing")
        if mode == "w+":  # all of it now: a disk that is too small is to be missed now, not hours later
            with open(file, "wb") as empty:
                os.posix_fallocate(empty.fileno(), 0, size)
        pixels = np.memmap(file, np.uint8, "r+", shape=shape)
        newest = np.memmap(f"{file}.newest", np.int64, mode, shape=(lanes,))
        if mode == "w+":
            newest[:] = -1
        self.pixels, self.newest = torch.from_numpy(pixels), torch.from_numpy(newest)
        self._maps = pixels, newest

    def flush(self) -> None:
        """See to it that what has been written is on the disk."""
        for one in self._maps:
            one.flush()
