"""Peak memory of a process and its children. No torch is imported here."""

from __future__ import annotations

import os
from pathlib import Path


def peak_bytes(process: int | None = None) -> int:
    """Sum of the peaks (VmHWM) of a process and its living children. Memory shared now counts once in all: of what each
    process sees (Rss), only its part (Pss). Linux only."""
    folder = Path(f"/proc/{os.getpid() if process is None else process}")
    sizes = _sizes(folder / "status") | _sizes(folder / "smaps_rollup")
    own = sizes["VmHWM"] - (sizes["Rss"] - sizes["Pss"])
    children = ((thread / "children").read_text().split() for thread in (folder / "task").iterdir())
    return own + sum(peak_bytes(int(child)) for of_thread in children for child in of_thread)


def _sizes(file: Path) -> dict[str, int]:
    """Values in bytes of lines such as "VmHWM:  123 kB", by name."""
    words = (line.split() for line in file.read_text().splitlines())
    return {line[0].rstrip(":"): 1024 * int(line[1]) for line in words if len(line) == 3 and line[2] == "kB"}
