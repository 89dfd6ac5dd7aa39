"""What is chosen where a flag leaves it open: by rule, from the cores, the device and what the networks see.

Never by timing anything: the same command makes the same run. The rules were found by measurement on two cores
(benchmarks/README.md); what they say of more is extrapolated.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from training.config import Config

MOST_THREADS = 8


def resolved(config: Config, device: torch.device, cores: int) -> Config:
    """`config` with workers and threads filled in, for a process that may use so many cores."""
    threads, workers = threads_and_workers(max(1, cores), device, config.layout.pixels)
    return replace(
        config,
        threads=threads if config.threads is None else config.threads,
        workers=workers if config.workers is None else config.workers,
    )


def leaves_a_core(config: Config, device: torch.device) -> bool:
    """Whether updates of actor and critics that do not touch the encoder leave a core to the environments.

    Where the encoder takes all of a CPU, the environments had better run while the learner does what gains little from
    the last core. By the run's configuration alone, so that the number of workers, or of cores, changes no bit of it:
    where cores are idle anyway, or no worker waits for one, this costs a little.
    """
    assert config.threads is not None
    return device.type == "cpu" and config.threads > 1 and config.head_updates > 1


def threads_and_workers(cores: int, device: torch.device, pixels: bool) -> tuple[int, int]:
    """Threads of the learner, and processes that step the environments.

    Convolutions on a CPU take all cores; then the environments' work is best spread as evenly. Products of 256x256 gain
    little from a second thread, which waits for each of them in a busy loop, and so takes the core that the
    environments want: from state, and where a GPU learns, one core is the learner's and the others are theirs.
    """
    if pixels and device.type == "cpu":
        return min(cores, MOST_THREADS), cores if cores > 1 else 0
    return 1, cores - 1
