"""Watchdog that ends a process hanging in a graphics driver, where nothing else can. No torch is imported here.

Seconds count only while the process runs: a stopped process (Ctrl-Z, a closed laptop) does not hang.
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
exit_code = 1  # exit code of this process when its graphics driver hangs
ADVICE = "MUJOCO_GL=osmesa in the environment renders without it"
SECONDS = 20.0  # an image takes milliseconds; the trainer itself gives up a worker a little later
_MESSAGE = (
    "An image was not rendered within {seconds:.0f} seconds: the graphics driver hangs. "
    "Anything saved before is intact; "
    f"{ADVICE}."
)


class Watchdog:
    """Context that ends the process, with a sentence and `exit_code`, if its body takes longer than `SECONDS`."""

    def __init__(self) -> None:
        self._crossings = 0  # entries plus exits of the context: odd inside
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


WATCHDOG = Watchdog()  # one thread for all renderers of this process


@contextlib.contextmanager
def creating() -> Iterator[None]:
    """Watchdog for calls that hold the interpreter's lock while they hang, such as making a context. No Python can run
    then, so instead of the sentence there is a traceback with "Timeout!". A worker is not ended here: its trainer ends
    it, and says why."""
    faulthandler.dump_traceback_later(SECONDS, exit=exit_code != HANGS, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
