"""Signals that end a command outside of training's loop: without a traceback, or with a sentence of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any


class Interrupted(BaseException):
    """A signal that asked the process to end, raised wherever it arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)


@contextlib.contextmanager
def raising(numbers: Sequence[int]) -> Iterator[None]:
    """Have the first of these signals raise Interrupted, except those that are ignored, as under nohup.

    After it they are all ignored for good: the process ends by itself, and a terminal may send one twice.
    """
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]

    def leave(number: int, _: Any) -> None:
        for one in heeded:
            signal.signal(one, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.signal(number, leave) for number in heeded}
    try:
        yield
    except Interrupted:
        raise
    except BaseException:
        _restore(before)
        raise
    _restore(before)


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def end_quietly() -> None:
    """End at once on Ctrl-C while modules are imported, until `training.errors.guarded` takes over."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))


def end_quietly_as_module() -> None:
    """Do the same for `python -m package.module`, from the package: sys.argv begins with -m while it is imported."""
    if sys.argv[:1] == ["-m"]:
        end_quietly()
