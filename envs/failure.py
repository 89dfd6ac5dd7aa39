"""Exceptions of environments, as a sentence and as a traceback. No torch is imported here."""

from __future__ import annotations

import textwrap
import traceback
from typing import NamedTuple

LONGEST = 300  # characters of an error's message that are quoted


def reason(error: BaseException) -> str:
    """First line of an error's message, cut to LONGEST characters; the error's class if there is no message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0].rstrip("."), LONGEST, placeholder=" ...")


class Unusable(ValueError):
    """An environment cannot be built, reset, or asked for rewards; the message is one sentence with the remedy."""


class Failure(NamedTuple):
    """An exception of one of the environments of a vector."""

    row: int  # which environment
    worker: int | None  # in which worker; None in this process
    error: str  # class and message, one line
    traceback: str

    @staticmethod
    def of(error: BaseException, row: int, worker: int | None = None) -> Failure:
        """Failure that describes an exception being handled."""
        name, said = type(error).__name__, reason(error)
        return Failure(row, worker, name if said == name else f"{name} ({said})", traceback.format_exc())

    def sentence(self, env_id: str) -> str:
        """Environment, worker and error; without a full stop."""
        place = "" if self.worker is None else f" in worker {self.worker}"
        return f"Environment {self.row} of {env_id}{place} raised {self.error}"
