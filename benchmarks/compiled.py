"""What torch.compile makes of an update: `python -m benchmarks.compiled [PRESET] [--json]`.

The update as `--accelerate auto` has it, and the same with the networks of actor and critics compiled, in alternating
rounds; what is compiled at first use is warmed up beforehand. Needs a C++ compiler. (Everything behind the encoder
compiled as one function ended in an internal error of torch 2.13.)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import tyro

from benchmarks.alternate import ContenderFailed, alternate
from benchmarks.provenance import provenance
from benchmarks.settings import Settings


@dataclass(frozen=True)
class Options:
    preset: tyro.conf.Positional[Literal["book-state", "push"]] = "push"
    """Whose update; the book's with the settings of `benchmarks.fps`."""
    rounds: int = 5
    """Rounds of each."""
    seconds: float = 5.0
    """Seconds of a round."""
    warmup_seconds: float = 45.0
    """Of each, before the first round."""
    json: bool = False
    """Print one JSON object instead of a table."""


def report_of(options: Options) -> dict[str, Any]:
    from benchmarks import compiling, ours
    from benchmarks.measure import medians

    before = provenance()
    settings = Settings(
        obs="state", env_id="FetchPush-v4", num_envs=8, batch_size=256, updates_per_step=0.125, learning_starts=1000,
        buffer_size=10_000, prefill=0, transitions=0, threads=1, cores=1, device="cpu",
    )  # fmt: skip
    common = {"settings": settings, "mode": "auto", "preset": None if options.preset == "book-state" else "push"}
    contenders = {
        "as it is": (ours.Updating, common),
        "networks compiled": (compiling.Compiled, common),
    }
    rates = alternate(
        contenders, rounds=options.rounds, seconds=options.seconds, warmup_seconds=options.warmup_seconds
    )  # fmt: skip
    return {**before, **asdict(options), "contenders": medians(rates)}


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.compiled", description=__doc__)
    try:
        report = report_of(options)
    except ContenderFailed as error:
        print(f"benchmarks.compiled: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, rates in report["contenders"].items():
        print(f"{name:>20}  {1e3 / rates['updates_per_second']:6.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
