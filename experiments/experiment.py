"""The definition of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.config import cli
from training.config.flags import Config


@dataclass(frozen=True)
class Experiment:
    """A preset, the flags that differ from it, and what it shows."""

    preset: str
    flags: str
    shows: str
    replay_lost_at: int | None = None  # step at which the run stops, to go on with an empty replay

    def arguments(self, extra: Sequence[str] = ()) -> list[str]:
        """Arguments for train.py; of two values for the same flag, the later one holds."""
        return [self.preset, *self.flags.split(), *extra]

    def config(self, extra: Sequence[str] = ()) -> Config:
        """Configuration of the experiment. Raises UserError, or exits with code 2 and a message, for a bad flag."""
        return cli.parse(self.arguments(extra))
