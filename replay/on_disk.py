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
        if mode == "r+" and file.stat().st_size != size:
            raise ValueError(f"{file} holds {file.stat().st_size} bytes of pictures, but this ring has {size}")
        if mode == "w+":  # all of it now: a disk that is too small is to be missed now, not hours later
            with open(file, "wb") as empty:
                os.posix_fallocate(empty.fileno(), 0, size)
        self.pixels = torch.from_numpy(np.memmap(file, np.uint8, "r+", shape=shape))
        newest = np.memmap(f"{file}.newest", np.int64, mode, shape=(lanes,))
        if mode == "w+":
            newest[:] = -1
        self.newest = torch.from_numpy(newest)
