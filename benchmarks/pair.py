"""Environment steps per second of two experiments while they learn: `python -m benchmarks.pair NAME OTHER [--json]`.

Each run is train.py with the experiment's flags, in a process of its own; the two take turns, round after round. Steps
and seconds count from the first row of metrics.csv after --after steps, for earlier steps have fewer updates, to the
last row before the end. They include no evaluation and no film. The ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.alternate import ratios
from benchmarks.provenance import HERE, provenance
from experiments.run import expected
from experiments.table import canonical, named
from training.errors import RunFailed, UserError, guarded
from training.logger import Row, read_rows


@dataclass(frozen=True)
class Options:
    names: tyro.conf.Positional[tuple[str, str]]
    """The two experiments."""
    steps: int = 2_500
    """Environment steps of a run."""
    after: int = 1_200
    """Steps that are not counted: the replay fills and the first updates warm up."""
    rounds: int = 3
    """Runs of each experiment."""
    threads: int | None = None
    """Threads of each learner; None: as train.py chooses."""
    json: bool = False
    """Print one JSON object."""


def flags_of(options: Options) -> list[str]:
    """Flags of train.py for a short run without pauses: neither evaluations nor checkpoints before the end."""
    never = str(options.steps)
    flags = ["--total-steps", never, "--log-every", "100", "--eval-every", never, "--eval-episodes", "1",
             "--final-episodes", "1", "--save-every", never, "--save-minutes", "1000", "--no-video"]  # fmt: skip
    return flags if options.threads is None else [*flags, "--threads", str(options.threads)]


def rate(rows: Sequence[Row], after: int, steps: int) -> float:
    """Environment steps per second between the first row from step `after` on and the last row before step `steps`.

    Raises RunFailed if no update lies between two such rows.
    """
    counted = [row for row in rows if after <= row["step"] < steps]
    if not counted or counted[-1]["updates"] <= counted[0]["updates"]:
        raise RunFailed(f"no update was made between steps {after} and {steps}: name other --steps and --after.")
    return (counted[-1]["step"] - counted[0]["step"]) / (counted[-1]["seconds"] - counted[0]["seconds"])


def rate_of(name: str, options: Options) -> float:
    """Environment steps per second of one run. Raises RunFailed if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        command = [sys.executable, "train.py", *named(name).arguments([*flags_of(options), "--run-dir", str(run)])]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RunFailed(f"{name} ended with exit code {done.returncode}: {done.stderr.strip()}")
        return rate(read_rows(run), options.after, options.steps)


def report_of(options: Options) -> dict[str, Any]:
    report: dict[str, Any] = {**provenance(), "steps": options.steps, "after": options.after}
    rates: dict[str, list[float]] = {name: [] for name in options.names}
    for number in range(options.rounds):
        for name in options.names:
            rates[name].append(rate_of(name, options))
            said = f"  round {number + 1} of {options.rounds}: {name}: {rates[name][-1]:.1f} steps/s"
            print(said, file=sys.stderr, flush=True)
    first, second = rates.values()
    return {**report, "steps_per_second": rates, "ratio": statistics.median(ratios(first, second))}


def run(options: Options) -> int:
    if (
        options.rounds < 1
        or not 0 < options.after <= options.steps - 500
        or len(set(map(canonical, options.names))) < 2
    ):
        raise UserError("name two experiments; --rounds is at least 1, and --steps 500 more than --after.")
    for name in options.names:
        expected(name, flags_of(options))  # raises UserError for what cannot be run, before anything runs
    report = report_of(options)
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, rates in report["steps_per_second"].items():
        print(f"{name}: {statistics.median(rates):.1f} steps/s ({min(rates):.1f} to {max(rates):.1f})")
    first, second = options.names
    print(f"{first} / {second}: {report['ratio']:.2f}x")
    print(f"on {report['machine']}, {report['cores']} cores, load {report['load_before']:.1f}")
    return 0


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.pair", description=__doc__)
    return guarded("benchmarks.pair", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
