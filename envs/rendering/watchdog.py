"""Ends a process that hangs where nothing else can end it: within a graphics driver. No torch is imported here.

Seconds are counted while the process runs: one that was stopped (Ctrl-Z, a lid that was closed) does not hang.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

HANGS = 75  # exit code of a worker whose graphics driver hangs
exit_code = 1  # of this process, when it does
ADVICE = "MUJOCO_GL=osmesa in the environment renders without it"
SECONDS = 20.0  # an image takes milliseconds; the trainer gives up a worker a little later, by itself
_MESSAGE = (
    "An image was not rendered within {seconds:.0f} seconds: the graphics driver hangs. "
    "Anything saved before is intact; "
    f"{ADVICE}."
)


class Watchdog:
    """A context: what takes longer than `SECONDS` within it ends the process, with a sentence and `exit_code`."""

    def __init__(self) -> None:
        self._crossings = 0  # of the context's border: odd within it
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._crossings += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._crossings += 1

    def _watch(self) -> None:
        seen, seconds = 0, 0.0
        while True:
            pause = min(1.0, SECONDS / 4)
            time.sleep(pause)
            same, seen = self._crossings == seen, self._crossings
            seconds = seconds + pause if same and seen % 2 else 0.0
            if seconds >= SECONDS:
                os.write(2, (_MESSAGE.format(seconds=SECONDS) + "\n").encode())
                os._exit(exit_code)


WATCHDOG = Watchdog()  # of this process: one thread for all of its renderers


@contextlib.contextmanager
def creating() -> Iterator[None]:
    """The same for what holds the interpreter's lock while it hangs, as making a context does: no Python can run then,
    so instead of the sentence there is a traceback that says "Timeout!" and where. A worker waits on: its trainer ends
    it, and says why."""
    faulthandler.dump_traceback_later(SECONDS, exit=exit_code != HANGS, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
