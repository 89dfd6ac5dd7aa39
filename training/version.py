"""The version of this program."""

from __future__ import annotations

import tomllib
from pathlib import Path


def name_and_version() -> str:
    """Name and version as pyproject.toml has them, the one place where they stand: "pixel-push 0.1.0"."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    return f"{project['name']} {project['version']}"
