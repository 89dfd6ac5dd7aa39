"""Counts, seconds and sums between two rows of the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from training.logger import Row


class TrainingState:
    """Counts and seconds of a run, and sums for its next row.

    `step` and `updates` count from the run's beginning; `seconds` too, across resumes.
    """

    PARTS = ("act", "env", "sample", "update")

    def __init__(self) -> None:
        self.step = self.updates = 0
        self.replay_began = 0  # the step at which the replay was empty
        self.learning_steps = 0  # of `step`, those at which updates were due
        self.best: float = -1.0
        self.seconds_before = 0.0
        self.started = time.perf_counter()
        self.names: list[str] = []
        self.sums: list[Tensor] = []  # of the updates' metrics since the last row
        self.begin_row()

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        """Add the time inside the context to a part of the row."""
        begun = time.perf_counter()
        yield
        self.spent[part] += time.perf_counter() - begun

    def count_update(self, metrics: dict[str, Tensor]) -> None:
        """Add an update's metrics to the sums, on the device, before the next update overwrites them; nothing waits."""
        self.updates += 1
        if not self.sums:
            self.names, self.sums = list(metrics), [value.clone() for value in metrics.values()]
        else:
            torch._foreach_add_(self.sums, list(metrics.values()))

    def updates_due(self, updates_per_step: float) -> int:
        """Number of updates due at `learning_steps`, minus those made. The ratio is taken as written in decimals: sums
        of floats would lose updates."""
        return int(self.learning_steps * Fraction(str(updates_per_step))) - self.updates

    def due(self, every: int, num_envs: int) -> bool:
        """Whether the latest step of `num_envs` environments crossed a multiple of `every`."""
        return self.step // every > (self.step - num_envs) // every

    def row(self) -> Row:
        """Means and rates since the last row. Waits for the device."""
        wall = time.perf_counter() - self.row_started
        updates = self.updates - self.row_updates
        row: Row = {
            "step": self.step,
            "updates": self.updates,
            "seconds": self.seconds,
            "steps_per_second": (self.step - self.row_step) / wall,
            "updates_per_second": updates / wall,
        }
        row |= {f"time_frac_{part}": seconds / wall for part, seconds in self.spent.items()}
        if self.sums:
            row |= dict(zip(self.names, (torch.stack(self.sums) / updates).tolist(), strict=True))
        return row

    def begin_row(self) -> None:
        """Start counting anew; after an evaluation, so that its seconds do not count as training."""
        self.row_started, self.row_step, self.row_updates = time.perf_counter(), self.step, self.updates
        self.spent = dict.fromkeys(self.PARTS, 0.0)
        self.names, self.sums = [], []

    # ------------------------------------------------------------------ saving

    SAVED = ("step", "updates", "replay_began", "learning_steps", "best", "row_step", "row_updates", "names", "sums",
             "spent")  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Counts, and the sums of the open row: it comes out the same after a resume."""
        return {name: getattr(self, name) for name in self.SAVED} | {
            "seconds": self.seconds,
            "row_seconds": time.perf_counter() - self.row_started,
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Continue from `state_dict()`, with sums on the learner's device."""
        for name in self.SAVED:
            setattr(self, name, state[name])
        self.sums = [value.to(device) for value in self.sums]
        self.seconds_before = state["seconds"]
        self.started = time.perf_counter()
        self.row_started = self.started - state["row_seconds"]
