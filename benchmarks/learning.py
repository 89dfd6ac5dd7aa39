"""Learning curves of Stable-Baselines3 (SB3) and of this trainer, with the book's state settings.

    python -m benchmarks.learning --seed 0              train SB3 (hours on a CPU), write its curve
    python -m benchmarks.learning --plot                draw all curves, print the steps to 50 and 90% of each

Ours is the experiment book-state: `python -m experiments.run book-state --seeds 0`. Both sides have the same task,
networks, hyperparameters, number of environments and update ratio, and are evaluated in the same way: 50 episodes
without exploration, success at the last step. Success while exploring is that of the last 100 episodes. Our random
streams are others than SB3's, so seeds do not pair.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from analysis import curves
from analysis.command import command
from analysis.curves import thousands
from benchmarks import sb3
from benchmarks.provenance import provenance
from benchmarks.settings import Settings
from experiments import evidence
from experiments.plot import labelled
from training.errors import UserError
from training.finish import first_of_two
from training.logger import CSV, Row, read_rows

COLUMNS = ("step", "updates", "seconds", "success_rolling", "eval_success")
PLOT = "learning.png"


@dataclass(frozen=True)
class Arguments:
    seed: int = 0
    steps: int = 2_000_000
    """Environment steps."""
    env_id: str = "FetchPush-v4"
    eval_every: int = 40_000
    """Environment steps between evaluations."""
    eval_episodes: int = 50
    threads: int = 1
    """Threads of torch."""
    results: Path = field(default=Path("experiments/results"))
    """SB3's curves go to RESULTS/sb3-book-state/seed-S."""
    plot: bool = False
    """Train nothing: draw the existing curves into RESULTS/sb3-book-state/learning.png."""


def settings_of(given: Arguments) -> Settings:
    """The book's state settings, as of our preset book-state."""
    return Settings(
        obs="state", env_id=given.env_id, num_envs=8, batch_size=256, updates_per_step=0.125, learning_starts=1_000,
        buffer_size=1_000_000, prefill=0, transitions=0, threads=given.threads, cores=1, device="cpu", seed=given.seed,
    )  # fmt: skip


def success_rate(model: SAC, vec: VecEnv, episodes: int, seed: int) -> float:
    """Success at the last step of episodes without exploration, the same ones for the same seed."""
    vec.seed(seed)
    obs, done = vec.reset(), 0
    succeeded = 0.0
    while done < episodes:
        action, _ = model.predict(obs, deterministic=True)  # type: ignore[arg-type]
        obs, _, ended, infos = vec.step(action)
        for env_index in np.flatnonzero(ended):
            if done < episodes:
                succeeded += float(infos[env_index]["is_success"])
                done += 1
    return succeeded / episodes


class Recorder(BaseCallback):
    """Writes a row of the curve each time an evaluation is due."""

    def __init__(self, given: Arguments, vec: VecEnv, path: Path) -> None:
        super().__init__()
        self.given, self.vec, self.path = given, vec, path
        self.begun = time.perf_counter()
        self.evaluating = 0.0  # seconds of evaluations, which do not count
        with open(path, "w", newline="") as file:
            csv.DictWriter(file, COLUMNS).writeheader()

    def _on_step(self) -> bool:
        every, step = self.given.eval_every, self.num_timesteps
        if step // every > (step - self.training_env.num_envs) // every:
            self.record()
        return True

    def record(self) -> None:
        """Evaluate, and append a row."""
        assert isinstance(self.model, SAC)
        seconds, before = time.perf_counter() - self.begun - self.evaluating, time.perf_counter()
        row: Row = {
            "step": self.num_timesteps,
            "updates": self.model._n_updates,
            "seconds": seconds,
            "success_rolling": float(safe_mean(self.model.ep_success_buffer or [0.0])),
            "eval_success": success_rate(self.model, self.vec, self.given.eval_episodes, seed=10_000 + self.given.seed),
        }
        self.evaluating += time.perf_counter() - before
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        print(f"step {row['step']:>8.0f}  exploring {row['success_rolling']:.0%}  evaluated {row['eval_success']:.0%}",
              flush=True)  # fmt: skip


def train(given: Arguments) -> None:
    """Train SB3 and write its curve row by row; the file gets its final name when the curve is whole."""
    folder = given.results / "sb3-book-state" / f"seed-{given.seed}"
    growing = folder / f"{CSV}.part"
    if (folder / CSV).exists() or growing.exists():
        raise UserError(f"{folder} has a curve already, or a part of one: remove it, or name other --results.")
    settings = settings_of(given)
    sb3.torch.set_num_threads(given.threads)
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {name: getattr(given, name) for name in ("seed", "steps", "env_id", "eval_episodes")}
    (folder / "config.json").write_text(json.dumps(facts | {"provenance": provenance()}, indent=2))
    model = sb3.build(settings, sb3.make_envs(settings, subprocesses=False))
    # SB3's HER samples finished episodes only, and raises while there is none.
    model.learn(given.steps, callback=Recorder(given, sb3.make_envs(settings, subprocesses=False), growing))
    os.replace(growing, folder / CSV)


def milestones(rows: list[Row]) -> str:
    """Steps to 50 and 90%: to the first of two evaluations in a row at that level; and the last evaluation."""
    said = []
    for level in (0.5, 0.9):
        row = first_of_two(rows, level)
        said.append(f"{level:.0%} " + ("not reached" if row is None else f"at {thousands(row['step'])}"))
    last = next(row["eval_success"] for row in reversed(rows) if "eval_success" in row)
    return f"{', '.join(said)}, {last:.0%} at the end"


def plot(given: Arguments) -> None:
    """Draw success while exploring and evaluated over steps, SB3's curves and ours; print their steps to 50 and 90%."""
    place = given.results / "sb3-book-state"
    runs: dict[str, list[list[Row]]] = {}
    finished = [one for one in evidence.seed_folders(given.results, "sb3-book-state") if (one / CSV).exists()]
    if theirs := [read_rows(folder) for folder in finished]:
        runs[f"SB3 ({len(theirs)} seed{'s' * (len(theirs) > 1)})"] = theirs
    if evidence.seed_folders(given.results, "book-state"):
        results = evidence.read(given.results, "book-state")
        runs[labelled("ours, book-state", results)] = [result.rows for result in results]
    if not runs:
        raise UserError(f"there is no curve under {given.results}: train first, without --plot.")
    for label, curves_of in runs.items():
        print(f"{label}: {'; '.join(map(milestones, curves_of))}")
    place.mkdir(parents=True, exist_ok=True)
    figure, places = curves.panels(runs, ("success_rolling", "eval_success"), across=2)
    figure.legend(*curves.legend_of(places), loc="outside upper left", ncols=2, frameon=False)
    curves.save(figure, place / PLOT)
    print(place / PLOT)


def main(arguments: Sequence[str]) -> int:
    return command("benchmarks.learning", __doc__, Arguments, lambda given: (plot if given.plot else train)(given),
                   arguments)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
