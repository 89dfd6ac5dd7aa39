"""Provenance of a measurement: machine, day and commit. No torch is imported with this module."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]


def provenance() -> dict[str, Any]:
    """Processor, cores and load, day and commit; call this before anything runs."""
    from training.run_folder import commit

    return {
        "machine": processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "date": datetime.now(UTC).date().isoformat(),
        **commit(),
    }


def processor() -> str:
    """Name of the processor, if the system tells it; else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
