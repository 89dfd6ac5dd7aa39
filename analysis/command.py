"""Common frame of the commands that look at runs: flags are a dataclass, and failures end in a sentence."""

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
    """Parse `arguments` into `flags` and `run` with them; `name` is the command's module. Returns the exit code."""

    def work() -> int:
        check_text(arguments)
        run(tyro.cli(flags, args=arguments, prog=f"python -m {name}", description=description))
        return 0

    return guarded(name, work)
