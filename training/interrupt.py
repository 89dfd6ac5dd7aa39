"""Ctrl-C while modules are imported, which takes seconds: it ends a command without a traceback."""

from __future__ import annotations

import os
import signal
import sys


def end_quietly() -> None:
    """End at once on Ctrl-C, until `training.errors.guarded` takes over."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))


def end_quietly_as_module() -> None:
    """Do the same for `python -m package.module`, from the package: sys.argv begins with -m while it is imported."""
    if sys.argv[:1] == ["-m"]:
        end_quietly()
