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
    """Parse `arguments` into `flags`, run, and return the exit code: 2 for a UserError, 1 for a RunFailed."""
    try:
        run(tyro.cli(flags, args=arguments, prog=f"python -m experiments.{name}", description=description))
    except (UserError, RunFailed) as error:
        print(f"experiments.{name}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    return 0
