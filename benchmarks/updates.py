"""Milliseconds of an update of experiments, in turn: `python -m benchmarks.updates NAME OTHER ... [--out FILE]`.

Each has a few episodes in its replay. An update samples and encodes a minibatch and lets every loss step; where the
configuration says so, further updates of actor and critics on the same features belong to it. The table of
docs/eyes-table.md reads the file. Nothing else may run meanwhile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from analysis.command import command
from benchmarks.provenance import provenance
from experiments.run import expected
from experiments.summary import write
from experiments.table import canonical
from training.errors import UserError

NAME = "benchmarks.updates"


@dataclass(frozen=True)
class Options:
    names: tyro.conf.Positional[tuple[str, ...]]
    """The experiments."""
    threads: int = 1
    """Threads of each learner."""
    rounds: int = 9
    """Times that each is measured, in turn with the others."""
    seconds: float = 0.5
    """At least so long each time."""
    out: Path | None = None
    """JSON file to write, beside what is printed."""


def report_of(options: Options) -> dict[str, Any]:
    """Milliseconds of an update by experiment. Raises UserError for what cannot be run."""
    from benchmarks import floor  # torch, after what train.py settles before it

    if not options.names or options.rounds < 1 or not 0 < options.seconds < 60:
        raise UserError("name an experiment at least; --rounds is at least 1, --seconds above 0 and below 60.")
    if options.out is not None and (options.out.is_dir() or not options.out.parent.is_dir()):
        raise UserError(f"--out {options.out} is no file in a folder that is there: name another.")
    configs = [expected(name, ["--threads", str(options.threads), "--workers", "0"]) for name in options.names]
    before, learners = provenance(), [floor.Learner(config) for config in configs]

    def work_of(learner: floor.Learner) -> Callable[[], Any]:
        updates = learner.trainer.eager_updates
        return lambda: [updates.update(sampled) for sampled in updates.batches(1)]

    try:
        device, works = learners[0].device, map(work_of, learners)
        seconds = floor.seconds_of(*works, device=device, rounds=options.rounds, least=options.seconds)
    finally:
        for learner in learners:
            learner.close()
    rows = {
        canonical(name): {"milliseconds": 1e3 * taken, "updates_per_encoding": config.updates_per_encoding}
        for name, config, taken in zip(options.names, configs, seconds, strict=True)
    }
    return {**before, "device": str(device), "threads": options.threads, "updates": rows}


def run(options: Options) -> None:
    report = report_of(options)
    for name, row in report["updates"].items():
        print(f"{name}: {row['milliseconds']:.1f} ms, with {row['updates_per_encoding']} of actor and critics")
    print(f"on {report['machine']}, {report['threads']} threads, load {report['load_before']:.1f}")
    if options.out is not None:
        write(options.out.parent, {options.out.name: json.dumps(report, indent=2) + "\n"})


def main(arguments: Sequence[str]) -> int:
    return command(NAME, __doc__, Options, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
