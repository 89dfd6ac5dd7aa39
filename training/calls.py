"""Commands that are printed to be copied."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def interpreter() -> str:
    """Path of the running interpreter, from the current folder where it lies inside, quoted."""
    python = Path(sys.executable)
    return shlex.quote(str(python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python))


def call(*arguments: str) -> str:
    """Command that calls the running interpreter with `arguments`."""
    return f"{interpreter()} {shlex.join(arguments)}"
