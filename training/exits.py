"""How a command ends that cannot do, or go on with, what it was asked for."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable

import envs
from training.errors import RunFailed, UserError, ran_out_of_memory
from training.memory import LOWER


def guarded(name: str, work: Callable[[], int]) -> int:
    """Do `work`, which returns an exit code.

    Returns:
        that code; 2, after a sentence on standard error, if the request cannot be met; 1, after one, if something
        failed under way; 130 on Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that has no ü shows \xfc, as standard error does
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return work()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        code, sentence = _ending(error)
        print(f"{name}: {sentence}", file=sys.stderr)
        return code


def _ending(error: Exception) -> tuple[int, str]:
    """Exit code and sentence; raises `error` again if nobody foresaw it."""
    if isinstance(error, UserError | envs.RenderError):
        return 2, str(error)
    if ran_out_of_memory(error):
        return 1, f"memory ran out: free some, or train with a lower {LOWER}; anything saved before is intact."
    if isinstance(error, RunFailed | envs.WorkerError):
        return 1, str(error)
    if isinstance(error, envs.NotFinite):
        return 1, f"{error}."
    if isinstance(error, OSError):  # a full disk, above all
        return 1, f"a file could not be read or written ({error}); anything saved before is intact."
    raise error
