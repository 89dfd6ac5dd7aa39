"""Training beside other busy processes: `python -m benchmarks.company [PRESET]`.

Starts `train.py` beside 0, 1 and 2 processes that do nothing but loop, each time for so many seconds, with the spinning
of OpenMP's threads as train.py sets it and as the library has it. What counts is env steps a second while it
learns.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.provenance import HERE, provenance

SPINS = {"ours": "1000", "the library's": "300000"}  # turns of a waiting thread's loop
BUSY = (0, 1, 2)
BEGINS, ROW = 400, 40  # env steps: learning starts there; of a row of the log
FLAGS = ("--learning-starts", str(BEGINS), "--log-every", str(ROW), "--total-steps", "1000000", "--no-video")


@dataclass(frozen=True)
class Options:
    preset: tyro.conf.Positional[str] = "push-pixels"
    """What is learned."""
    rounds: int = 1
    """Runs of each kind."""
    seconds: float = 50.0
    """Of a run, from its start; the first of them do not count."""
    json: bool = False
    """Print one JSON object instead of a table."""


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that count, each in a session of its own, as from another terminal."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def steps_per_second(options: Options, spins: str, folder: Path) -> float:
    """Of one run, from its first row after learning began; 0 where it got no further than that row."""
    command = [sys.executable, "train.py", options.preset, *FLAGS, "--run-dir", str(folder)]
    environment = {**os.environ, "GOMP_SPINCOUNT": spins}
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL, env=environment)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(options.seconds)
        raise RuntimeError(f"train.py ended with exit code {process.returncode}")
    process.kill()  # its workers see its end of their pipes close, and leave
    process.wait()
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) > BEGINS]
    if len(rows) < 2:
        return 0.0
    steps, seconds = (float(rows[-1][name]) - float(rows[0][name]) for name in ("step", "seconds"))
    return steps / seconds


def report_of(options: Options) -> dict[str, Any]:
    before = provenance()
    rates: dict[str, dict[str, list[float]]] = {name: {str(count): [] for count in BUSY} for name in SPINS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for count in BUSY:
                for name, spins in SPINS.items():
                    with busy(count):
                        run = Path(folder) / f"{number}-{count}-{spins}"
                        rates[name][str(count)].append(steps_per_second(options, spins, run))
    return {**asdict(options), **before, "spins": SPINS, "env_steps_per_second": rates}


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.company", description=__doc__)
    report = report_of(options)
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    print("env steps/s beside    " + "".join(f"{count:>8}" for count in BUSY) + "  busy processes")
    for name, rates in report["env_steps_per_second"].items():
        print(f"spinning: {name:<12}" + "".join(f"{statistics.median(rates[str(count)]):8.1f}" for count in BUSY))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
