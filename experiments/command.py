"""What the commands of this folder share: their flags are a dataclass, and what cannot be done is a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from training.errors import RunFailed, UserError

Arguments = TypeVar("Arguments")


def command(
    name: str,
    description: str | None,
    flags: type[Arguments],
    run: Callable[[Arguments], None],
    arguments: Sequence[str],
) -> int:
    """Parse `arguments` into `flags` and run; returns the exit code."""

    def work() -> int:
        run(tyro.cli(flags, args=arguments, prog=f"python -m experiments.{name}", description=description))
        return 0

    return guarded(name, work)


def guarded(name: str, work: Callable[[], int]) -> int:
    """Do `work`, which returns an exit code; a UserError is a sentence and 2, a RunFailed a sentence and 1."""
    try:
        return work()
    except (UserError, RunFailed) as error:
        print(f"experiments.{name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
