"""How fast the trainer is, beside Stable-Baselines3 (SB3): `python -m benchmarks.fps --obs state [--json]`.

How to read it. "Frames a second" hides three things, so four are named: environment steps per second, updates per
second, the batch of an update, and the update ratio (updates per environment step). Both sides have the same task,
algorithm and hyperparameters (our preset book-state), networks, batch, ratio, number of environments and threads; both
compute in float32. One more line shows our faster dtype, which has no counterpart in SB3 (`--accelerate max`: on a CPU
the same as auto, on a GPU a CUDA graph as well).

From pixels (`--obs chapter`) both sides see four 84x84 images, proprioception, achieved and desired goal, and have the
book's encoder (four 3x3 convolutions, SpatialSoftmax, LayerNorm, Tanh), batches of 256 pairs of images and one update
of actor and critic per pass of the encoder. SB3 has an encoder each for actor, critic and target critic, its default,
and the book's wrapper: 480x480, resized with PIL, in DummyVecEnv; or, reported apart (`sb3_recommended`), images
rendered at 84x84 in SubprocVecEnv. We have one encoder, trained by the critic, and render at 84x84. A line for our own
recipe, with other cameras, another encoder and eight updates of actor and critic per pass, is marked so.

- end to end: `train.learn` against `SAC.learn`, with what a run does but evaluations, log rows and checkpoints. SB3
  runs with DummyVecEnv and with SubprocVecEnv, and the faster is the peer.
- envs: stepping with random actions. The share of physics is the part of our step, on one core, that is `mj_step`.
- replay: sampling with relabelling from full buffers.
- memory: the peak of a whole run with a full replay of --buffer-size.
- update: gradient steps on one batch, SB3's `train()` with its replay taken out.

Each contender has a process of its own, is warmed up, and runs in turn, round after round. Figures are medians over the
rounds, with the least and the greatest; a ratio is the median of the rounds' ratios. Rates on a busy machine mean
nothing, and ratios little: a load at the start is reported. SB3's sampling slows down as its buffer fills, ours does
not; by default both begin empty, which favours SB3, and `--prefill` begins with full ones.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from typing import Any, Literal

import tyro

from benchmarks.alternate import ContenderFailed
from benchmarks.provenance import provenance
from benchmarks.settings import EPISODE, Settings

# Modules that need torch are imported in functions: every process that is started imports this module again.


@dataclass(frozen=True)
class Options:
    obs: Literal["state", "chapter"] = "state"
    """Inputs of the networks: all numbers; or the book's pixels, four images at a time, and its vectors."""
    json: bool = False
    """Print one JSON object instead of tables."""
    only: Literal["end-to-end", "envs", "replay", "update", "memory"] | None = None
    """Only this measurement, instead of the first four; memory, from pixels, is measured only on request."""
    env_id: Literal["FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4"] = "FetchPush-v4"
    """Id of the task."""
    updates_per_step: tuple[float, ...] = (0.125, 0.5)
    """Update ratios to measure end to end: the book's, then from state our preset push's. The first is the headline."""
    num_envs: int = 8
    """Environments that step together."""
    batch_size: int = 256
    """Transitions in a minibatch."""
    rounds: int = 5
    """Rounds of each measurement."""
    seconds: float = 4.0
    """Seconds a contender runs in a round, end to end; from pixels, where one takes seconds, updates alone too."""
    piece_seconds: float = 1.5
    """Seconds a contender runs in a round of the other measurements."""
    warmup_seconds: float = 2.0
    """Seconds a contender runs before the first round."""
    learning_starts: int = 1_000
    """Environment steps before the first update, not timed."""
    buffer_size: int = 1_000_000
    """Replay of the end-to-end runs."""
    prefill: int = 0
    """Made-up transitions in the replay before the end-to-end runs begin; from state."""
    transitions: int = 1_000_000
    """Transitions in the replay of the sampling measurement; from state."""
    threads: int | None = None
    """Torch threads of every learner; None: as many as train.py uses."""
    device: str = "auto"
    """Device of the learners and the replay: cpu, cuda, or auto."""


# Defaults by --obs: from pixels, a transition takes 340 kB in SB3, and an update takes seconds.
DEFAULTS = {
    "state": Options(),
    "chapter": Options(obs="chapter", updates_per_step=(0.25,), seconds=20.0, piece_seconds=5.0, buffer_size=10_000),
}


def parsed(arguments: Sequence[str]) -> Options:
    """Parse the flags. Exits with code 2 and a message for a bad one."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--obs", default="state")
    default = DEFAULTS.get(first.parse_known_args(arguments)[0].obs, Options())
    return tyro.cli(Options, args=arguments, default=default, prog="python -m benchmarks.fps", description=__doc__)


def problems(options: Options) -> str | None:
    """First problem with the values, as one sentence; None if there is none."""

    def outside(name: str, low: float, high: float) -> str | None:
        values = getattr(options, name)
        for value in values if isinstance(values, tuple) else (values,):
            if not low <= value <= high:  # false for NaN too
                return f"--{name.replace('_', '-')} is {value}: it must be from {low:g} to {high:g}."
        return None

    least = options.num_envs * EPISODE
    ranges = {
        "num_envs": (1, 1024), "updates_per_step": (1e-3, 1e3), "batch_size": (2, 1e6), "rounds": (1, 1e4),
        "seconds": (1e-3, 1e5), "piece_seconds": (1e-3, 1e5), "warmup_seconds": (0, 1e5), "threads": (1, 4096),
        "learning_starts": (0, 1e7), "buffer_size": (2 * least, 1e9), "prefill": (0, options.buffer_size),
        "transitions": (least, 1e9),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        if getattr(options, name) is not None and (sentence := outside(name, low, high)):
            return sentence
    if not options.updates_per_step:
        return "--updates-per-step needs a number."
    for ratio in options.updates_per_step:
        if not math.isclose(Fraction(ratio * options.num_envs).limit_denominator(1000), ratio * options.num_envs):
            return f"--updates-per-step {ratio} is not a ratio of small numbers, which SB3 needs."
    if options.obs != "state" and (options.prefill or options.transitions != Options.transitions):
        return "--prefill and --transitions are for --obs state: leave them out."
    if options.only == "memory" and options.obs == "state":
        return "--only memory is for --obs chapter."
    if 0 < options.prefill < least:
        return f"--prefill is {options.prefill}: it must be 0, or {least} and more (an episode of each environment)."
    return None


def machine_problems(options: Options) -> str | None:
    """Reason why this machine cannot run the measurement, as one sentence; None if it can."""
    import torch

    import envs
    from training.config import memory
    from training.config.resources import torch_device
    from training.errors import UserError

    try:
        torch_device(options.device)
        if options.obs != "state":
            envs.check_gl()  # which also settles what every process renders with
    except (UserError, envs.RenderError) as error:
        return str(error)
    if options.obs == "state":  # held at once: two runs of SB3, 650 bytes a transition, and two of ours
        need = 1800 * max(options.buffer_size, options.transitions) + 2**30
    elif options.only == "memory":  # one run at a time
        need = 172_000 * options.buffer_size + 2**30
    else:  # two runs of SB3, and three of ours
        need = 650_000 * options.buffer_size + 6 * 2**30
    have = memory.available_bytes(torch.device("cpu"))
    if need > have:
        return (
            f"replays of this size need {need / 2**30:.1f} GiB, but {have / 2**30:.1f} GiB are free: "
            "lower --buffer-size or --transitions."
        )
    return None


def report_of(options: Options) -> dict[str, Any]:
    """Run the requested measurements; returns one JSON-able object."""
    import envs
    from benchmarks import measure, measure_pixels
    from training.config.resources import threads_and_workers, torch_device

    cores = envs.cores()
    device = torch_device(options.device)
    threads = options.threads or threads_and_workers(cores, device, options.obs != "state")[0]
    parts: Any = measure if options.obs == "state" else measure_pixels
    names = ("obs", "env_id", "num_envs", "batch_size", "learning_starts", "buffer_size", "prefill", "transitions")
    chosen = {name: getattr(options, name) for name in names}
    report: dict[str, Any] = {
        **provenance(), **chosen, "threads": threads, "cores": cores, "device": str(device), "rounds": options.rounds,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "mujoco",
                     "gymnasium", "gymnasium-robotics", "stable-baselines3")}},
    }  # fmt: skip
    if report["load_before"] > 0.5:
        print(f"the machine is busy (load {report['load_before']:.1f}): rates mean nothing", file=sys.stderr)
    whole = measure.Timing(options.rounds, options.seconds, options.warmup_seconds)
    piece = measure.Timing(options.rounds, options.piece_seconds, options.warmup_seconds)
    settings = [
        Settings(**chosen, updates_per_step=ratio, threads=threads, cores=cores, device=str(device))
        for ratio in options.updates_per_step
    ]
    if options.only in (None, "end-to-end"):
        runs = [parts.end_to_end(each, whole) for each in settings]
        report |= {key: runs[0][key] for key in runs[0] if "_per_second" in key or key == "sb3_recommended"}
        report["end_to_end"] = runs
    for name, part, timing in (
        ("envs", parts.envs, piece),
        ("replay", parts.replay, piece),
        ("update", parts.update, piece if options.obs == "state" else whole),
    ):
        if options.only in (None, name):
            report[name] = part(settings[0], timing)
    if options.only == "memory":
        report["memory"] = measure_pixels.memory(settings[0], piece)
    return report


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    if sentence := problems(options) or machine_problems(options):
        print(f"benchmarks.fps: {sentence}", file=sys.stderr)
        return 2
    try:
        report = report_of(options)
    except ContenderFailed as error:
        print(f"benchmarks.fps: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        from benchmarks.tables import show

        show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
