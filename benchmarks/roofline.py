"""How far the update and the environments are from what this machine could do:

    python -m benchmarks.roofline [PRESET] [--flag of train.py ...] [--json]

Measures the machine's rates first (a large convolution and matrix product in the dtype that the learner uses, a copy of
memory), then each part of an update, and sets beside it the time that its arithmetic and its bytes would take at those
rates. Nothing else may run meanwhile.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.provenance import provenance


def report_of(arguments: Sequence[str]) -> dict[str, Any]:
    """Measure rates, update and environment step. Raises UserError for a configuration that cannot be run."""
    from benchmarks import floor
    from training.config import cli
    from training.config.validation import check

    config, before = cli.parse(arguments), provenance()
    check(config)
    learner = floor.Learner(config)
    trainer = learner.trainer
    rates = floor.measured_rates(trainer.device, trainer.learner.accelerated)
    parts = learner.parts(rates)
    learner.close()
    steps = floor.environment_step(trainer.config)
    images = 0 if config.view is None else math.prod(config.view.shape)
    step_floor = steps[floor.PHYSICS] + 1e3 * 2 * images / rates.copy
    whole = parts[-1]
    return {
        **before,
        "command": " ".join(arguments) or "push",
        "device": str(trainer.device),
        "threads": trainer.config.threads,
        "dtype": "bfloat16" if trainer.learner.accelerated else "float32",
        "rates": {name: round(value / 1e9, 1) for name, value in vars(rates).items()},
        "update": [part._asdict() for part in parts],
        "share_of_floor": whole.floor / whole.measured,
        "environment": steps,
        "environment_floor": step_floor,
        "environment_share_of_floor": step_floor / sum(steps.values()),
    }


def show(report: dict[str, Any]) -> None:
    console, rates = Console(), report["rates"]
    console.print(
        f"{report['command']}: {report['device']}, {report['threads']} threads, {report['dtype']}; convolution "
        f"{rates['convolution']:.0f} GFLOP/s, product {rates['product']:.0f} GFLOP/s, copy {rates['copy']:.1f} GB/s"
    )
    table = Table("part of an update", "GFLOP", "MB", "floor, ms", "measured, ms", "share")
    for part in report["update"]:
        share = part["floor"] / part["measured"] if part["measured"] > 0 else float("nan")
        numbers = (part["gflop"], part["megabytes"], part["floor"], part["measured"])
        table.add_row(part["name"], *(f"{number:.3g}" for number in numbers), f"{share:.0%}")
    console.print(table)
    table, whole = Table("of one environment's step, on one core", "ms", "of it"), sum(report["environment"].values())
    for name, value in report["environment"].items():
        table.add_row(name, f"{value:.3f}", f"{value / whole:.0%}")
    table.add_row("all of it", f"{whole:.3f}", "")
    share = report["environment_share_of_floor"]
    table.add_row("floor: physics, and moving its images once", f"{report['environment_floor']:.3f}", f"{share:.0%}")
    console.print(table)


def main(arguments: Sequence[str]) -> int:
    from training.errors import UserError

    if {"-h", "--help"} & set(arguments):  # of the flags themselves, train.py's
        print(__doc__)
        return 0
    try:
        report = report_of([one for one in arguments if one != "--json"])
    except UserError as error:
        print(f"benchmarks.roofline: {error}", file=sys.stderr)
        return 2
    if "--json" in arguments:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
