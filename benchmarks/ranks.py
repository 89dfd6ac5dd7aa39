"""What a second rank brings: `python -m benchmarks.ranks [PRESET] [--json]`, with gloo, one thread a rank.

The update of one process with a whole minibatch, against that of two ranks with half of it each that average their
gradients; in alternating rounds. The efficiency is the speedup over the number of ranks.

More ranks are computed, not measured: an update with a share of the minibatch, which is measured in one process, and
the averaging, which is what two ranks take longer than one process with half a minibatch, times what a ring's
all-reduce moves among K ranks against two, 2 (K - 1) / K. That is as if each had a core and a link of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import tyro

from benchmarks.provenance import provenance
from benchmarks.settings import Settings

RANKS, MORE = 2, (4, 8)


@dataclass(frozen=True)
class Options:
    preset: tyro.conf.Positional[Literal["push", "push-pixels"]] = "push"
    """Whose update."""
    rounds: int = 3
    """Rounds of each."""
    updates: int = 200
    """Passes of the encoder (from state: updates) in a round."""
    batch_size: int = 256
    """Transitions of the minibatch, of all ranks together."""
    json: bool = False
    """Print one JSON object instead of a line."""


def measure(options: Options) -> None:
    """In a process that torchrun started: rank 0 prints milliseconds a pass."""
    import torch

    from benchmarks.ours import Updating
    from training.ranks import Ranks

    torch.set_num_interop_threads(1)
    ranks = Ranks.from_environment()
    ranks.join()
    pixels = options.preset == "push-pixels"
    settings = Settings(
        obs="chapter" if pixels else "state", env_id="FetchPush-v4", num_envs=8,
        batch_size=options.batch_size // ranks.count, updates_per_step=0.125, learning_starts=1000,
        buffer_size=10_000, prefill=0, transitions=0, threads=1, cores=1, device="cpu",
    )  # fmt: skip
    updating = Updating(settings, "auto", options.preset)
    batches = [updating.batch] * updating.updates
    ranks.sync_parameters(updating.learner.sac)
    for number in range(options.updates + 10):
        if number == 10:  # warm
            ranks.barrier()
            begun = time.perf_counter()
        updating.learner.update(batches)
    ranks.barrier()
    if not ranks.rank:
        print(1e3 * (time.perf_counter() - begun) / options.updates)
    updating.close()
    ranks.leave()


def report_of(options: Options) -> dict[str, Any]:
    """Raises CalledProcessError if a process fails."""
    before, whole = provenance(), options.batch_size
    shares = [whole // count for count in (RANKS, *MORE)]  # of a rank, measured in one process
    found: dict[tuple[int, int], list[float]] = {(1, whole): [], (RANKS, whole): [], **{(1, one): [] for one in shares}}
    for _ in range(options.rounds):
        for (count, batch_size), values in found.items():
            torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
            command = [*torchrun, "-m", "benchmarks.ranks", options.preset, "--updates", str(options.updates)]
            command += ["--batch-size", str(batch_size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ))
            values.append(float(done.stdout.strip().splitlines()[-1]))
    speedup = statistics.median(one / two for one, two in zip(found[1, whole], found[RANKS, whole], strict=True))
    alone = {batch_size: statistics.median(values) for (count, batch_size), values in found.items() if count == 1}
    together = statistics.median(found[RANKS, whole])
    averaging = together - alone[whole // RANKS]
    computed = {count: alone[whole // count] + averaging * 2 * (count - 1) / count for count in MORE}
    return {
        **before,
        **asdict(options),
        "milliseconds_in_one_process_by_batch": alone,
        f"milliseconds_with_{RANKS}": together,
        "rounds": {f"{count} ranks, {batch_size}": values for (count, batch_size), values in found.items()},
        "speedup": speedup,
        "efficiency": speedup / RANKS,
        "computed_milliseconds": computed,
        "computed_efficiency": {count: alone[whole] / (count * value) for count, value in computed.items()},
    }


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.ranks", description=__doc__)
    if "RANK" in os.environ:  # one of the processes that are measured
        measure(options)
        return 0
    if options.batch_size < 1 or options.batch_size % max(MORE) or options.rounds < 1 or options.updates < 1:
        print(f"benchmarks.ranks: --batch-size is a multiple of {max(MORE)}, --rounds and --updates at least 1.",
              file=sys.stderr)  # fmt: skip
        return 2
    try:
        report = report_of(options)
    except subprocess.CalledProcessError as error:
        print(f"benchmarks.ranks: a rank ended with exit code {error.returncode}.", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        one = report["milliseconds_in_one_process_by_batch"][options.batch_size]
        two = report[f"milliseconds_with_{RANKS}"]
        print(f"{options.preset}: {one:.2f} ms, with {RANKS} ranks {two:.2f} ms: efficiency {report['efficiency']:.0%}")
        for count, value in report["computed_milliseconds"].items():
            efficiency = report["computed_efficiency"][count]
            print(f"{count} ranks, computed: {value:.2f} ms, efficiency {efficiency:.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
