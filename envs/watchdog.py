"""Ends a process that hangs where nothing else can end it: within a graphics driver. No torch is imported here."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

SECONDS = 20.0  # a picture takes milliseconds; the trainer gives up a worker a little later, by itself
_MESSAGE = (
    "A picture was not drawn within {seconds:.0f} seconds: the graphics driver hangs. What was saved before is intact; "
    "try --render-process, or MUJOCO_GL=osmesa in the environment."
)


class Watchdog:
    """A context: what takes longer than `SECONDS` within it ends the process, with a sentence and exit code 1."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._until = time.monotonic() + SECONDS
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._until = None

    def _watch(self) -> None:
        while True:
            time.sleep(min(1.0, SECONDS / 4))
            until = self._until
            if until is not None and time.monotonic() > until:
                os.write(2, (_MESSAGE.format(seconds=SECONDS) + "\n").encode())
                os._exit(1)


WATCHDOG = Watchdog()  # of this process: one thread for all of its renderers


@contextlib.contextmanager
def creating() -> Iterator[None]:
    """The same for what holds the interpreter's lock while it hangs, as making a context does: no Python can run then,
    so instead of the sentence there is a traceback that says "Timeout!" and where."""
    faulthandler.dump_traceback_later(SECONDS, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
