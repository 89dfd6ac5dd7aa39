"""A configuration as a run's folder keeps it, and as older versions wrote it."""

from __future__ import annotations

import json
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from training.config.flags import Config

# What flags and values were called before: saved configurations are read, command lines refused with the new name.
RENAMED = {
    "head": "pooling",
    "head_updates": "updates_per_encoding",
    "no_proprio": "proprioception none",
    "proprio": "proprioception full",
}
RENAMED_GOAL_INPUTS = {"beside": "concat", "instead": "replace"}


def from_json(text: str) -> Config:
    """Read a saved configuration. Raises ValueError if the text is none."""
    try:
        values: dict[str, Any] = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError("no object")
        values = {RENAMED.get(name, name): value for name, value in values.items()}
        if "cameras" in values:
            values["cameras"] = tuple(values["cameras"])
        if (goal_input := values.get("goal_input")) in RENAMED_GOAL_INPUTS:
            values["goal_input"] = RENAMED_GOAL_INPUTS[goal_input]
        if isinstance(proprioception := values.get("proprioception"), bool):
            values["proprioception"] = "full" if proprioception else "none"
        config = Config(**values)
        for name, hint in get_type_hints(Config).items():
            if not _fits(value := getattr(config, name), hint):
                raise TypeError(f"{name} is {value}")
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a saved configuration ({error})") from None
    return config


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of a flag's type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    return type(value) is hint or (hint is float and type(value) is int)
