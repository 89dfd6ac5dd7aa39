"""The two ways in which a run ends early with a sentence instead of a traceback."""

from __future__ import annotations


class UserError(Exception):
    """The request cannot be met: found before anything is written. One sentence with the mend in it; exit code 2."""


class RunFailed(Exception):
    """A run that was under way cannot go on (NaN, full disk). What was saved stays; exit code 1."""
