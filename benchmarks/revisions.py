"""The training loop of this working tree beside that of another commit: `python -m benchmarks.revisions REV [PRESET]`.

Each runs its own `train.py` for a few thousand steps, in alternating rounds, and is read off from its metrics.csv: env
steps a second while it learns, evaluations left out. So any commit will do whose train.py has the flags used here.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

HERE = Path(__file__).parents[1]
LEARNING_STARTS, ROW = 1000, 400  # env steps; the first row of a run, which warms up, does not count
FLAGS = ("--learning-starts", str(LEARNING_STARTS), "--log-every", str(ROW), "--eval-every", "1000000",
         "--eval-episodes", "2", "--final-episodes", "2", "--no-video")  # fmt: skip


@dataclass(frozen=True)
class Options:
    revision: tyro.conf.Positional[str]
    """The other commit."""
    preset: tyro.conf.Positional[str] = "push-pixels"
    """What is learned."""
    rounds: int = 3
    """Runs of each."""
    steps: int = 3000
    """Environment steps of a run, of which the first 1400 do not count."""
    json: bool = False
    """Print one JSON object instead of a table."""


def steps_per_second(tree: Path, options: Options, run: Path) -> float:
    """Of one run of the code in `tree`; the median of its rows. Raises CalledProcessError if it fails."""
    command = [sys.executable, "train.py", options.preset, "--total-steps", str(options.steps), "--run-dir", str(run)]
    subprocess.run([*command, *FLAGS], cwd=tree, check=True, stdout=sys.stderr)
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) > LEARNING_STARTS + ROW]
    return statistics.median(float(row["steps_per_second"]) for row in rows)


def report_of(options: Options) -> dict[str, Any]:
    """Raises CalledProcessError if there is no such commit, or a run fails."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        other.mkdir()
        archive = subprocess.run(
            ["git", "archive", options.revision], cwd=HERE, check=True, stdout=subprocess.PIPE
        ).stdout
        subprocess.run(["tar", "-x"], cwd=other, input=archive, check=True)
        trees = {"this": HERE, "other": other}
        rates: dict[str, list[float]] = {name: [] for name in trees}
        for number in range(options.rounds):
            for name, tree in trees.items():
                rates[name].append(steps_per_second(tree, options, Path(folder) / f"{name}-{number}"))
    ratios = [mine / its for mine, its in zip(rates["this"], rates["other"], strict=True)]
    return {**asdict(options), "env_steps_per_second": rates, "ratio": statistics.median(ratios)}


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.revisions", description=__doc__)
    if options.rounds < 1 or options.steps < LEARNING_STARTS + 2 * ROW:
        least = f"at least 1 round and {LEARNING_STARTS + 2 * ROW} steps"
        print(
            f"benchmarks.revisions: {options.rounds} rounds of {options.steps} steps: ask for {least}.", file=sys.stderr
        )
        return 2
    try:
        report = report_of(options)
    except subprocess.CalledProcessError as error:
        print(f"benchmarks.revisions: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, rates in report["env_steps_per_second"].items():
        print(f"{name:>5}  {statistics.median(rates):7.1f} env steps/s ({min(rates):.1f} to {max(rates):.1f})")
    print(f"ratio  {report['ratio']:.2f}, median of the rounds'")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
