"""The training loop of this working tree beside that of another commit: `python -m benchmarks.revisions REV [PRESET]`.

Each runs its own `train.py`, with the packages installed here, for a few thousand steps, in alternating rounds. What
counts is in its metrics.csv: env steps a second while it learns, evaluations left out. So any commit will do whose
train.py has the preset, the flags used here and these columns.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.provenance import HERE, provenance

BEGINS, ROW = 1200, 400  # env steps: what comes before does not count; of a row of the log
FLAGS = ("--learning-starts", "1000", "--log-every", str(ROW), "--eval-every", "1000000", "--eval-episodes", "2",
         "--final-episodes", "2", "--no-video")  # fmt: skip


class NotMeasured(RuntimeError):
    """There is no such commit, or its runs cannot be measured."""


@dataclass(frozen=True)
class Options:
    revision: tyro.conf.Positional[str]
    """The other commit."""
    preset: tyro.conf.Positional[str] = "push-pixels"
    """What is learned."""
    rounds: int = 3
    """Runs of each."""
    steps: int = 3200
    """Environment steps of a run, of which the first 1200 do not count."""
    json: bool = False
    """Print one JSON object instead of a table."""


def git(*words: str) -> bytes:
    """Raises NotMeasured with git's own words."""
    try:
        done = subprocess.run(["git", *words], cwd=HERE, capture_output=True)
    except OSError as error:
        raise NotMeasured(f"git cannot be run ({error}).") from None
    if done.returncode:
        raise NotMeasured(f"git {words[0]} {words[-1]} failed: {' '.join(done.stderr.decode().split())}")
    return done.stdout


def steps_per_second(tree: Path, options: Options, run: Path) -> float:
    """Of one run of the code in `tree`: the median of its rows. Raises NotMeasured."""
    command = [sys.executable, "train.py", options.preset, "--total-steps", str(options.steps), "--run-dir", str(run)]
    if code := subprocess.run([*command, *FLAGS], cwd=tree, stdout=sys.stderr).returncode:
        raise NotMeasured(f"train.py of {tree} ended with exit code {code}.")
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) > BEGINS]
    if not rows or "steps_per_second" not in rows[0]:
        raise NotMeasured(f"train.py of {tree} writes no steps_per_second into metrics.csv.")
    shutil.rmtree(run)
    return statistics.median(float(row["steps_per_second"]) for row in rows)


def report_of(options: Options) -> dict[str, Any]:
    """Raises NotMeasured."""
    before = provenance()
    commits = {name: git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
               for name, revision in (("this", "HEAD"), ("other", options.revision))}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trees = {"this": HERE, "other": Path(folder) / "other"}
        with tarfile.open(fileobj=io.BytesIO(git("archive", commits["other"]))) as archive:
            archive.extractall(trees["other"], filter="data")
        rates: dict[str, list[float]] = {name: [] for name in trees}
        for number in range(options.rounds):
            for name in sorted(trees, reverse=number % 2 == 0):  # neither is always the first
                rates[name].append(steps_per_second(trees[name], options, Path(folder) / "run"))
    ratios = [mine / its for mine, its in zip(rates["this"], rates["other"], strict=True)]
    return {
        **asdict(options),
        **before,
        "commits": commits,
        "env_steps_per_second": rates,
        "ratio": statistics.median(ratios),
    }


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.revisions", description=__doc__)
    if options.rounds < 1 or options.steps < BEGINS + ROW:
        asked = f"{options.rounds} rounds of {options.steps} steps"
        print(f"benchmarks.revisions: {asked}: ask for at least 1 of {BEGINS + ROW}.", file=sys.stderr)
        return 2
    try:
        report = report_of(options)
    except NotMeasured as error:
        print(f"benchmarks.revisions: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, rates in report["env_steps_per_second"].items():
        print(f"{name:>5}  {statistics.median(rates):7.1f} env steps/s ({min(rates):.1f} to {max(rates):.1f})")
    print(f"ratio  {report['ratio']:.2f}, median of the rounds'")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
