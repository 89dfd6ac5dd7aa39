"""What makes the same `update()` faster. Nothing here changes what is computed, only how it is rounded and stored."""

from __future__ import annotations

import ctypes

import torch

# Of the learner on a CPU. Products of 256x256 gain little from a second thread, which waits for each in a busy loop
# and so takes the core that the environments want. The same everywhere, since the last bits depend on it.
THREADS = 1


def accelerate(mode: str, device: torch.device) -> None:
    """Set up this process.

    Args:
        mode: "off" leaves float32 as it is. "auto" lets float32 matrix products round their inputs to bfloat16 (CPU
            with AVX512-BF16 or AMX) or TF32 (GPU); elsewhere it changes nothing.
        device: of the learner.
    """
    torch.set_float32_matmul_precision("highest" if mode == "off" else "medium")
    if device.type == "cpu":
        torch.set_num_threads(THREADS)
        keep_memory()


def keep_memory() -> None:
    """Tell glibc to keep freed memory instead of handing it back.

    Every intermediate tensor above 128 KiB would otherwise be mapped afresh, and its page faults cost more than the
    arithmetic on it. Does nothing where the C library is another one.
    """
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
