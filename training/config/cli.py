"""The command line: `[PRESET] [--flag value ...]` into one flat Config."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import docstring_parser
import tyro

from training.config.flags import Config, Learning, Replay, Task
from training.config.latent import Latent
from training.config.pixels import Pixels
from training.config.presets import ABOUT, PRESETS
from training.config.running import Compute, Run
from training.config.saved import RENAMED, RENAMED_GOAL_INPUTS
from training.errors import UserError
from training.run_folder import saved_config


def _flowing(group: type) -> type:
    """Copy of a group of flags for tyro, which keeps the line breaks of an indented docstring: here they are gone."""
    hints = get_type_hints(group, include_extras=True)
    told = {one.arg_name: one.description or "" for one in docstring_parser.parse_from_object(group).params}
    parts = [
        (one.name, Annotated[hints[one.name], tyro.conf.arg(help=" ".join(told[one.name].split()))], one.default)
        for one in dataclasses.fields(group)
    ]
    return dataclasses.make_dataclass(group.__name__, parts, frozen=True)


# The flags of Config, in the groups that --help shows.
GROUPS = {part.__name__.lower(): _flowing(part) for part in (Task, Learning, Pixels, Replay, Latent, Compute, Run)}
Groups = dataclasses.make_dataclass("Groups", GROUPS.items(), frozen=True)


DESCRIPTION = "Train SAC with hindsight on a goal environment. Usage: train.py [PRESET] [--flag value ...] or --version"


def parse(arguments: Sequence[str]) -> Config:
    """Parse the command line. Raises UserError for an unknown preset; a bad flag exits with code 2 and a message."""
    check_text(arguments)
    check_renamed(arguments)
    arguments = list(arguments)
    preset, named = "push", bool(arguments) and not arguments[0].startswith("-")
    if named:
        preset = arguments.pop(0)
        if preset not in PRESETS:
            close = difflib.get_close_matches(preset, PRESETS, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UserError(f"there is no preset {preset}: {hint}Presets are {', '.join(PRESETS)}.")
    config = _parse_flags(PRESETS[preset], arguments)
    return config if config.resume is None else _resumed(config, arguments, preset if named else None)


def check_renamed(arguments: Sequence[str]) -> None:
    """Raise UserError, with the new name, for a flag or a value that was renamed."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    for word, following in itertools.zip_longest(words, words[1:]):
        flag = word.replace("_", "-") if word.startswith("--") else ""
        if flag[2:].replace("-", "_") in RENAMED:
            raise UserError(f"{flag} is called --{RENAMED[flag[2:].replace('-', '_')].replace('_', '-')} now.")
        if flag == "--goal-input" and following in RENAMED_GOAL_INPUTS:
            raise UserError(f"--goal-input {following} is called {RENAMED_GOAL_INPUTS[following]} now.")


def check_text(arguments: Sequence[str]) -> None:
    """Raise UserError for an argument with bytes that are no UTF-8: neither TensorBoard nor a table can name it."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            given = os.fsencode(argument)
            raise UserError(f"{given!r} has bytes that are no UTF-8: give that file or folder another name.") from None


def _resumed(given: Config, arguments: list[str], preset: str | None) -> Config:
    """Saved configuration with the given changes. Raises UserError for a change that a resume may not make."""
    assert given.resume is not None
    saved = saved_config(Path(given.resume))
    config = _parse_flags(dataclasses.replace(saved, resume=given.resume), arguments)
    changed = [
        f"--{field.name.replace('_', '-')}"
        for field in dataclasses.fields(Config)
        if field.name not in Config.RESUMABLE and getattr(config, field.name) != getattr(saved, field.name)
    ]
    if preset not in (None, saved.preset):
        changed.append(f"the preset {preset}")
    if given.run_dir is not None:
        changed.append("--run-dir")
    if changed:
        raise UserError(f"a resumed run keeps its configuration: leave out {', '.join(changed)}, or start a new run.")
    return config


def _parse_flags(defaults: Config, arguments: list[str]) -> Config:
    parts = {
        name: group(**{field.name: getattr(defaults, field.name) for field in dataclasses.fields(group)})
        for name, group in GROUPS.items()
    }
    presets = "\n".join(f"  {name}: {about}" for name, about in ABOUT.items())
    description = f"{DESCRIPTION}\n\nPresets:\n{presets}\n\nDefaults shown are those of {defaults.preset}."
    groups = tyro.cli(
        Groups,
        args=arguments,
        default=Groups(**parts),
        prog="train.py",
        description=description,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    values: dict[str, Any] = {}
    for name in parts:
        values |= dataclasses.asdict(getattr(groups, name))
    return Config(**values, preset=defaults.preset)


def name_and_version() -> str:
    """Name and version, read from pyproject.toml alone: "pixel-push 0.1.0"."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    return f"{project['name']} {project['version']}"
