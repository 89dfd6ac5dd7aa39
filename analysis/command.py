"""What the commands that look at runs share: their flags are a dataclass, and what cannot be done is a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from training.config.cli import check_text
from training.errors import guarded

Arguments = TypeVar("Arguments")


def command(
    name: str,
    description: str | None,
    flags: type[Arguments],
    run: Callable[[Arguments], None],
    arguments: Sequence[str],
) -> int:
    """Parse `arguments` into `flags` and run `name`, a module; returns the exit code."""

    def work() -> int:
        check_text(arguments)
        run(tyro.cli(flags, args=arguments, prog=f"python -m {name}", description=description))
        return 0

    return guarded(name, work)
