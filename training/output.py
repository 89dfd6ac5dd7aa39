"""Standard output that may vanish during a run: a pipe whose reader has left, a terminal that was closed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

GONE = (errno.EPIPE, errno.EIO)


def standard_output() -> Any:
    """Standard output, wrapped; None where there is none."""
    return None if sys.stdout is None else Output(sys.stdout)


@contextlib.contextmanager
def standard_output_to_error() -> Iterator[None]:
    """Send to standard error what this process and its children write to standard output: an environment's own words
    do not belong into a command's JSON."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what a C library has printed waits in a buffer of its own
        os.dup2(kept, 1)
        os.close(kept)


class Output:
    """A text stream that drops what is written once its reader is gone.

    Attributes:
        lost: whether the reader is gone.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.lost = stream, False

    def write(self, text: str) -> int:
        """Write, or drop `text` if the reader is gone. Raises OSError for other failures, such as a full disk."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno not in GONE:
            raise error
        self.lost = True
        nowhere = os.open(os.devnull, os.O_WRONLY)  # also for what Python flushes at the end
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
