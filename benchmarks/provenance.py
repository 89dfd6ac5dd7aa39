"""When, where and of what a measurement was made. No torch is imported here."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]


def provenance() -> dict[str, Any]:
    """The processor, its cores and load, the day, and the commit; to be taken before anything runs."""
    return {
        "machine": processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", ":/", ":(top,exclude)experiments/results")),
    }


def processor() -> str:
    """Its name, where the system tells it; else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
