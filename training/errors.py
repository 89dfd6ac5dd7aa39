"""How a command ends early: with a sentence instead of a traceback, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import envs


class UserError(Exception):
    """A request that cannot be met, found before anything is written. One sentence with the remedy; exit code 2."""


class RunFailed(Exception):
    """A failure of a run under way, which cannot go on (NaN, full disk). Saved files stay; exit code 1."""


TRACEBACK = "traceback.txt"  # in a run's folder
LOWER = "--batch-size, --buffer-size, --hidden-width or --num-envs"  # flags that memory depends on most
# Phrases in messages of torch's allocators on CPU and GPU, cuBLAS, C++, MuJoCo, and in a worker's traceback.
_NO_MEMORY = ("allocate memory", "not enough memory", "out of memory", "bad_alloc", "alloc_failed", "memoryerror")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, says that memory ran out: torch and MuJoCo have no class for it."""
    if isinstance(error, envs.Unusable) and error.__cause__ is not None:
        return ran_out_of_memory(error.__cause__)
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = str(error).lower()
    told = isinstance(error, RuntimeError | ValueError) and any(words in said for words in _NO_MEMORY)
    return told or isinstance(error, MemoryError)


def environment_failed(failure: envs.Failure, env_id: str, folder: Path) -> str:
    """Write an environment's traceback into the run's folder; returns a sentence on the failure, without full stop."""
    return f"{failure.sentence(env_id)}{_kept(failure.traceback, folder)}"


def environment_unusable(error: envs.Unusable, folder: Path) -> str:
    """As `environment_failed`, for an environment that cannot be asked for rewards."""
    return f"{str(error).rstrip('.')}{_kept(''.join(traceback.format_exception(error)), folder)}"


def _kept(told: str, folder: Path) -> str:
    """Write a traceback into the run's folder, if that can be written; returns where it is."""
    path = folder / TRACEBACK
    with contextlib.suppress(OSError):  # a disk that is full, too
        path.write_text(told)
        return f": its traceback is in {path}"
    return ""


def guarded(name: str, work: Callable[[], int]) -> int:
    """Do `work`, and turn its exceptions into exit codes.

    Returns:
        the exit code of `work`; 2 if the request cannot be met, or 1 if something failed under way, both after a
            sentence on standard error; 130 on Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that has no ü shows \xfc, as standard error does
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return work()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        code, sentence = _ending(error)
        with contextlib.suppress(OSError):  # a terminal that was closed
            print(f"{name}: {sentence}", file=sys.stderr, flush=True)
        return code


def _ending(error: Exception) -> tuple[int, str]:
    """Exit code and sentence for an expected error; raises any other `error` again."""
    if isinstance(error, UserError | envs.RenderError):
        return 2, str(error)
    if ran_out_of_memory(error):
        return 1, f"memory ran out: free some, or train with a lower {LOWER}; anything saved before is intact."
    if isinstance(error, envs.Unusable):
        return 2, str(error)
    if isinstance(error, RunFailed | envs.WorkerError):
        return 1, str(error)
    if isinstance(error, envs.NotFinite):
        return 1, f"{error}."
    if isinstance(error, OSError):  # a full disk, above all
        return 1, f"a file could not be read or written ({error}); anything saved before is intact."
    raise error
