"""Run an experiment over seeds: `python -m experiments.run NAME --seeds 0 1 2 3 4 [-- extra flags of train.py]`.

Each seed is `train.py`, as a user runs it, in RUNS/NAME/seed-S. What is finished is not repeated, what was interrupted
is continued, and what fails does not hold up the others. The small evidence of each goes to RESULTS/NAME/seed-S.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from experiments import evidence
from experiments.jobs import Job, Jobs
from experiments.table import EXPERIMENTS, canonical, named
from training import run_folder
from training.calls import call
from training.config import memory
from training.config.cli import check_text
from training.config.flags import Config
from training.config.memory import run_needs
from training.config.resources import torch_device
from training.config.validation import check
from training.errors import UserError, guarded


@dataclass(frozen=True)
class Arguments:
    name: tyro.conf.Positional[str]
    """Name of the experiment."""
    seeds: tuple[int, ...] = (0,)
    """Seeds, one run each."""
    results: Path = field(default=Path("experiments/results"))
    """Folder of all results, for the small evidence: configuration, versions, metrics, final evaluation."""
    runs: Path = field(default=Path("runs"))
    """Folder of the runs' own folders."""
    jobs: int | None = None
    """Runs at once; None: one. With more, each has --threads 1 and --workers 0: their seconds are those of a shared
    machine, and from pixels, where a single run has more threads, the last bits differ. With --collect: how many runs
    shared the machine then."""
    overwrite: bool = False
    """Replace existing results of the same seeds."""
    print_commands: bool = False
    """Run nothing: print the command of each run that is not finished, a line each, for a cluster's scheduler, as in
    `sbatch --array=1-5 --wrap 'sed -n ${SLURM_ARRAY_TASK_ID}p commands | sh'`. Then --collect."""
    collect: tuple[Path, ...] = ()
    """Run nothing: collect these finished runs' folders, whose configuration must be the experiment's."""


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into ours, and train.py's after the first `--`."""
    arguments = list(arguments)
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def parse(arguments: Sequence[str]) -> Arguments:
    """Parse our arguments. Raises UserError for bad numbers; exits with code 2 and a message for a bad flag."""
    check_text(arguments)
    table = "\n\n".join(f"{name}: {experiment.shows}" for name, experiment in EXPERIMENTS.items())
    description = f"Run an experiment over seeds. Flags after a lone -- go to train.py.\n\n{table}"
    given = tyro.cli(Arguments, args=arguments, prog="python -m experiments.run", description=description)
    if not given.seeds or len(set(given.seeds)) < len(given.seeds) or any(not 0 <= s < 2**32 for s in given.seeds):
        raise UserError(f"--seeds {' '.join(map(str, given.seeds))}: name one or more different numbers from 0 up.")
    if given.jobs is not None and given.jobs < 1:
        raise UserError(f"--jobs is {given.jobs}: ask for at least 1.")
    return given


def expected(name: str, extra: Sequence[str]) -> Config:
    """Configuration of the experiment with the extra flags. Raises UserError if it cannot be run."""
    experiment = named(name)
    ours = re.compile(r"--(seed|run[-_]dir|resume)(=|$)")
    if taken := [flag for flag in extra if ours.match(flag)]:
        raise UserError(f"{taken[0]} is set for each seed by experiments.run: use --seeds and --runs before the --.")
    config = experiment.config(extra)
    if experiment.replay_lost_at is not None and config.total_steps <= (lost := experiment.replay_lost_at):
        raise UserError(f"--total-steps is {config.total_steps}: the replay is lost at {lost} only, so ask for more.")
    check(config)
    return config


def plan(given: Arguments, extra: Sequence[str], config: Config) -> list[Job]:
    """Jobs, one per seed. Raises UserError if a run's folder is in the way."""
    experiment, jobs = named(given.name), []
    arguments = experiment.arguments(extra)
    for seed in given.seeds:
        run = given.runs / given.name / f"seed-{seed}"
        if (run / run_folder.CONFIG).exists():
            saved = run_folder.saved_config(run)
            if saved.total_steps == experiment.replay_lost_at:
                saved = dataclasses.replace(saved, total_steps=config.total_steps)
            if different := evidence.differences(saved, config):
                raise UserError(
                    f"{run} is a run of another configuration ({'; '.join(different)}): move it away, or name "
                    "other --runs."
                )
        whole = (*arguments, "--seed", str(seed), "--run-dir", str(run))
        jobs.append(Job(seed, run, whole, config, experiment.replay_lost_at))
    return jobs


def collect(given: Arguments, config: Config) -> None:
    """Collect runs made by hand. Raises UserError, before anything is copied, unless they are the experiment's."""
    seeds: dict[int, Path] = {}
    for run in given.collect:
        saved = run_folder.saved_config(run)
        if different := evidence.differences(saved, config):
            raise UserError(f"{run} is not a run of {given.name} ({'; '.join(different)}): leave it out.")
        if saved.seed in seeds:
            raise UserError(f"{run} and {seeds[saved.seed]} are both of seed {saved.seed}: leave one out.")
        evidence.check_finished(run, saved)
        began = evidence.replay_began(run)
        if began != (named(given.name).replay_lost_at or 0):
            raise UserError(f"{run} is not a run of {given.name} (its replay began at step {began}): leave it out.")
        seeds[saved.seed] = run
        if not given.overwrite:
            evidence.check_free(run, given.results, given.name, saved.seed)
    for run in given.collect:
        print(f"{run} -> {evidence.copy(run, given.results, given.name, given.jobs)}")


def check_memory(config: Config, at_once: int) -> None:
    """Raise UserError if so many runs do not fit into memory side by side."""
    needs = run_needs(config, torch_device(config.device))
    free = {device: memory.available_bytes(device) for device in needs}
    scarce = min(needs, key=lambda device: free[device] / needs[device])
    need, have = needs[scarce], free[scarce]
    if at_once > 1 and at_once * need > have:
        raise UserError(
            f"{at_once} runs at once need about {at_once * need / 2**30:.1f} GiB, but {have / 2**30:.1f} GiB are free "
            f"on {scarce}: --jobs {max(1, have // need)} would fit."
        )


def run(arguments: Sequence[str]) -> int:
    """Run, print or collect the experiment's runs; returns the exit code."""
    own, extra = split(arguments)
    given = parse(own)
    given = dataclasses.replace(given, name=canonical(given.name))
    config = expected(given.name, extra)
    evidence.check_alike(given.results, given.name, config)
    if given.collect:
        collect(given, config)
        return 0
    jobs = plan(given, extra, config)
    left = [job for job in jobs if not evidence.is_finished(job.run, job.config)]
    if given.print_commands:
        for job in left:
            if not evidence.is_interrupted(job.run) and job.run.is_dir() and any(job.run.iterdir()):
                raise UserError(f"{job.run} was killed before its first checkpoint: move it away.")
        for job in left:
            print(" && ".join(call("train.py", *arguments) for arguments in job.to_do()))
        return 0
    if not given.overwrite:
        for job in jobs:
            evidence.check_free(job.run, given.results, given.name, job.seed)
    check_memory(config, min(given.jobs or 1, len(left)))
    return Jobs(jobs, given.jobs or 1, given.name, given.results).run()


def main(arguments: Sequence[str]) -> int:
    return guarded("experiments.run", lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
