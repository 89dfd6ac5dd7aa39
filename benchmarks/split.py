"""How many threads for the learner, and how many processes for the environments: `python -m benchmarks.split [--json]`.

Measures the training loop, in alternating rounds, for every sensible division of this machine's cores; the rule in
`training/auto.py` is read off from it. It is never measured during a run: the same command makes the same run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import tyro

from benchmarks.alternate import ContenderFailed, alternate
from benchmarks.provenance import provenance
from benchmarks.settings import Settings


@dataclass(frozen=True)
class Options:
    preset: tyro.conf.Positional[Literal["book-state", "push", "book-pixels", "push-pixels"]] = "push-pixels"
    """What is learned; the book's presets with the settings of `benchmarks.fps`."""
    rounds: int = 3
    """Rounds of each division."""
    seconds: float = 5.0
    """Seconds of a round."""
    device: str = "cpu"
    """The learner's."""
    json: bool = False
    """Print one JSON object instead of a table."""


def report_of(options: Options) -> dict[str, Any]:
    import envs
    from benchmarks import ours
    from benchmarks.measure import medians

    before, cores, book = provenance(), envs.cores(), options.preset.startswith("book")
    obs = "chapter" if options.preset.endswith("pixels") else "state"
    common = Settings(
        obs=obs, env_id="FetchPush-v4", num_envs=8, batch_size=256, updates_per_step=0.125 if obs == "state" else 0.25,
        learning_starts=1000, buffer_size=10_000, prefill=0, transitions=0, threads=1, cores=cores,
        device=options.device,
    )  # fmt: skip
    contenders = {
        f"{threads} threads, {workers} workers": (
            ours.Training,
            {
                "settings": replace(common, threads=threads),
                "mode": "auto",
                "preset": None if book else options.preset,
                "workers": workers,
            },
        )
        for threads in sorted({1, cores})
        for workers in sorted({0, min(cores - 1, common.num_envs), min(cores, common.num_envs)})
    }
    rates = alternate(contenders, rounds=options.rounds, seconds=options.seconds, warmup_seconds=2.0)
    return {**before, "cores": cores, **asdict(options), "contenders": medians(rates)}


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.split", description=__doc__)
    try:
        report = report_of(options)
    except ContenderFailed as error:
        print(f"benchmarks.split: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for name, rates in report["contenders"].items():
        print(f"{name:>24}  {rates['env_steps_per_second']:7.1f} env steps/s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
