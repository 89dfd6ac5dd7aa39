"""Join and cut saved rings along their environments, to resume a run with more or fewer processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def joined(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join `states` (`Ring.state_dict()`) into the state of one ring with the environments of all, in order.

    Raises ValueError unless all rings have the same number of slots.
    """
    slots = {int(state["shape"][0]) for state in states}
    if len(slots) > 1:
        raise ValueError(f"saved rings of {sorted(slots)} slots cannot be joined")
    rows = max(_rows(state) for state in states)
    return {
        "shape": (slots.pop(), sum(int(state["shape"][1]) for state in states)),
        "tables": {
            name: torch.cat([_by_env(state, name, rows) for state in states], dim=1).flatten(0, 1)
            for name in states[0]["tables"]
        },
        "cursors": {name: torch.cat([state["cursors"][name] for state in states]) for name in states[0]["cursors"]},
    }


def cut(state: dict[str, Any], envs: slice) -> dict[str, Any]:
    """State of a ring with only the environments `envs`."""
    cursors = {name: cursor[envs].clone() for name, cursor in state["cursors"].items()}
    rows = _rows(state)
    return {
        "shape": (state["shape"][0], len(cursors["newest"])),
        "tables": {name: _by_env(state, name, rows)[:, envs].flatten(0, 1) for name in state["tables"]},
        "cursors": cursors,
    }


def _rows(state: dict[str, Any]) -> int:
    """Number of written slots per environment."""
    return len(state["tables"]["reward"]) // int(state["shape"][1])


def _by_env(state: dict[str, Any], name: str, rows: int) -> Tensor:
    """Table as (rows, environments, ...), with zeros where nothing has been written."""
    table = state["tables"][name].unflatten(0, (-1, int(state["shape"][1])))
    missing = rows - len(table)
    return table if not missing else torch.cat([table, table.new_zeros(missing, *table.shape[1:])])
