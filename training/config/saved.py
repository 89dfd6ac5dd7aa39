"""Configurations saved in runs' folders, by this version or an older one."""

from __future__ import annotations

import dataclasses
import json
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from training.config.flags import Config
from training.config.latent import Latent
from training.config.pixels import Pixels

# Former names of flags and values: read in saved configurations, refused, with the new name, on command lines.
RENAMED = {
    "head": "pooling",
    "head_updates": "updates_per_encoding",
    "no_proprio": "proprioception none",
    "proprio": "proprioception full",
}
RENAMED_GOAL_INPUTS = {"beside": "concat", "instead": "replace"}

LATER = ("pixel_scale", "goal_motion", "softmax_temperature", "hide", "proprio_indices", "auxiliary",
         "weights", "weights_side", "freeze")  # fmt: skip
OF_LATENTS_LATER = ("latent_input", "latent_conditional", "latent_warm_up", "latent_model")
_OF_PIXELS = {field.name: field.default for field in dataclasses.fields(Pixels)}
# Flags added after the first runs, in order, each with the value that stands for earlier behaviour. Append new flags;
# without an entry here, a saved run that lacks the flag is refused.
ADDED: tuple[dict[str, Any], ...] = (
    {name: _OF_PIXELS[name] for name in _OF_PIXELS if name not in LATER}
    | {"replay_on_disk": False, "replay_device": "auto", "threads": None, "resume_without_replay": False,
       "smoke": False},
    {"pixel_scale": "centered"},
    {"goal_noise": 0.0},
    {"learning_rate_decay": 0.0},
    {"goal_motion": False},
    {"softmax_temperature": 1.0},
    {"save_minutes": 10.0},
    {"max_episode_steps": None, "hide": (), "proprio_indices": None},
    {"stop_rule": False},
    {"exploration_noise": None, "auxiliary": (), "n_step": 1},
    {"critic_obs": "same", "weights": None, "weights_side": 224, "freeze": False},
    {field.name: field.default for field in dataclasses.fields(Latent) if field.name not in OF_LATENTS_LATER},
    {"latent_input": "off", "latent_conditional": False},
    {"latent_warm_up": 500},
    {"latent_model": "vae"},
)  # fmt: skip


def from_json(text: str) -> Config:
    """Read a saved configuration. Raises ValueError if the text is not one."""
    try:
        values: dict[str, Any] = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError("no object")
        values = {RENAMED.get(name, name): value for name, value in values.items()}
        values |= {name: tuple(values[name]) for name in ("cameras", "hide", "auxiliary") if name in values}
        if (goal_input := values.get("goal_input")) in RENAMED_GOAL_INPUTS:
            values["goal_input"] = RENAMED_GOAL_INPUTS[goal_input]
        if isinstance(values.get("latent_input"), bool):
            values["latent_input"] = "concat" if values["latent_input"] else "off"
        if isinstance(proprioception := values.get("proprioception"), bool):
            values["proprioception"] = "full" if proprioception else "none"
        config = Config(**_before(values), **values)
        for name, hint in get_type_hints(Config).items():
            if not _fits(value := getattr(config, name), hint):
                raise TypeError(f"{name} is {value}")
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a saved configuration ({error})") from None
    return config


def _before(values: dict[str, Any]) -> dict[str, Any]:
    """Values for flags that an older version did not have. Raises TypeError if `values` lack a flag that it had."""
    lacking = {field.name for field in dataclasses.fields(Config)} - values.keys()
    before: dict[str, Any] = {}
    for added in reversed(ADDED):
        if not added.keys() <= lacking:
            break
        before |= added
    if lost := sorted(lacking - before.keys()):
        raise TypeError(f"it lacks {lost[0]}" + (f" and {len(lost) - 1} more" if lost[1:] else ""))
    return before


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of a flag's type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    return type(value) is hint or (hint is float and type(value) is int)
