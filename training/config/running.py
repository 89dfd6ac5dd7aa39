"""Flags of the machine that a run computes on, and of its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Compute:
    device: str = "auto"
    """Device of the learner: cpu, cuda, cuda:1, or auto (cuda if there is one)."""
    replay_device: Literal["auto", "cpu"] = "auto"
    """Device of the replay: cpu, or auto (the learner's if it fits there, else cpu)."""
    threads: int | None = None
    """CPU threads of the learner, per rank. None: 1 from state or if a GPU learns; from pixels on a CPU one per core,
    at most 8. There, in bfloat16, all but the first of several --updates-per-encoding leave one thread to the
    environments' processes, which then run at a lower priority."""
    accelerate: Literal["off", "auto", "max"] = "auto"
    """off: plain float32. auto: if the processor has bfloat16, convolutions, flat trunk, a frozen network and hidden
    layers but the first compute in it, and a CPU steps Adam by the fused kernel alone. max: auto, and on a GPU one CUDA
    graph of the update (and of sampling, for a Fetch task with its replay on the GPU)."""


@dataclass(frozen=True)
class Run:
    eval_every: int = 4_000
    """Environment steps between deterministic evaluations."""
    eval_episodes: int = 50
    """Episodes per evaluation."""
    final_episodes: int = 100
    """Episodes of the final evaluation."""
    log_every: int = 1_000
    """Environment steps between rows of metrics.csv."""
    save_every: int = 20_000
    """Environment steps between full checkpoints, replay included; one is always written at the start and at a stop."""
    save_minutes: float = 1.0
    """Minutes after which a checkpoint is written before --save-every is due, if that takes less than a fiftieth of the
    time. Not with several ranks."""
    video: bool = True
    """Record a video of some episodes at the end."""
    stop_rule: bool = False
    """End the run at an evaluation, from half of the budget on, if success has stayed flat and the critics show a sign
    of failure, such as a low TD loss of original goals (training/verdict.py). For rewards that differ by 1."""
    run_dir: str | None = None
    """The run's folder; None names one under runs/ after preset, seed and a hash of the configuration."""
    resume_without_replay: bool = False
    """Resume with an empty replay, as the chapter's run did: uniformly random actions for --learning-starts steps, and
    guided episodes where the run has them."""
    smoke: bool = False
    """Try everything in a minute or two: learn a little, stop, resume, evaluate and record, in a folder of its own."""
    resume: str | None = None
    """Folder of a run to continue. Only total-steps, workers, device, threads, accelerate, video, stop-rule, and the
    intervals of saving, logging and evaluating may be changed."""
