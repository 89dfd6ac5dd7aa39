"""How a run ends early with a sentence instead of a traceback."""

from __future__ import annotations

import errno


class UserError(Exception):
    """The request cannot be met: found before anything is written. One sentence with the mend in it; exit code 2."""


class RunFailed(Exception):
    """A run that was under way cannot go on (NaN, full disk). What was saved stays; exit code 1."""


# In the messages of torch's allocators on CPU and GPU, cuBLAS, C++, MuJoCo, and a worker's traceback.
_NO_MEMORY = ("allocate memory", "not enough memory", "out of memory", "bad_alloc", "alloc_failed", "memoryerror")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether that is what `error` says: torch and MuJoCo have no class of their own for it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    said = str(error).lower()
    told = isinstance(error, RuntimeError | ValueError) and any(words in said for words in _NO_MEMORY)
    return told or isinstance(error, MemoryError)
