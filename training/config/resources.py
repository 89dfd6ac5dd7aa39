"""Device, threads and workers of a run, determined before it starts (memory: `memory.py`).

Values left open by flags follow rules by cores, device and network inputs; nothing is ever timed: the same command
makes the same run. The rules were measured on two cores (benchmarks/README.md) and extrapolated to more.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from training.config.flags import Config
from training.errors import UserError, ran_out_of_memory

MOST_THREADS = 8


def torch_device(name: str) -> torch.device:
    """Device of that name; auto is cuda if there is one. Raises UserError if the device does not exist."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if torch.device(name).type not in ("cpu", "cuda"):
            raise RuntimeError
        torch.zeros(1, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        if ran_out_of_memory(error):
            raise
        raise UserError(f"--device {name} is not there: use cpu, or auto.") from None


def resolved(config: Config, device: torch.device, cores: int) -> Config:
    """Fill in workers and threads of `config`, for a process that may use so many cores."""
    threads, workers = threads_and_workers(max(1, cores), device, config.layout.pixels)
    return replace(
        config,
        threads=threads if config.threads is None else config.threads,
        workers=workers if config.workers is None else config.workers,
    )


def leaves_a_core(config: Config, device: torch.device) -> bool:
    """Whether updates of actor and critics without the encoder leave a core to the environments.

    An encoder uses all cores of a CPU; updates without it gain little from the last core, so the environments run
    meanwhile. Decided by the configuration alone, so that the numbers of workers and cores change no bit of a run; the
    price is a little speed where cores are idle anyway.
    """
    assert config.threads is not None
    return device.type == "cpu" and config.threads > 1 and config.updates_per_encoding > 1


def threads_and_workers(cores: int, device: torch.device, pixels: bool) -> tuple[int, int]:
    """Threads of the learner, and processes that step the environments.

    On a CPU, convolutions use all cores, and the environments are best spread over all cores too. Products of 256x256
    gain little from a second thread: between products it waits in a busy loop, on a core that the environments need. So
    from state, or if a GPU learns, the learner has one core and the environments have the others.
    """
    if pixels and device.type == "cpu":
        return min(cores, MOST_THREADS), cores if cores > 1 else 0
    return 1, cores - 1
