"""Saved rings joined and cut along their environments, for a run that goes on with more, or fewer, processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def joined(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One ring's state that holds the environments of all `states` (`Ring.state_dict()`), in order.

    Raises ValueError unless they have as many slots.
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
    """The state of a ring with some of the environments alone."""
    cursors = {name: cursor[envs].clone() for name, cursor in state["cursors"].items()}
    rows = _rows(state)
    return {
        "shape": (state["shape"][0], len(cursors["newest"])),
        "tables": {name: _by_env(state, name, rows)[:, envs].flatten(0, 1) for name in state["tables"]},
        "cursors": cursors,
    }


def _rows(state: dict[str, Any]) -> int:
    """Slots of each environment that have been written."""
    return len(state["tables"]["reward"]) // int(state["shape"][1])


def _by_env(state: dict[str, Any], name: str, rows: int) -> Tensor:
    """(rows, environments, ...), with zeros where nothing has been written."""
    table = state["tables"][name].unflatten(0, (-1, int(state["shape"][1])))
    missing = rows - len(table)
    return table if not missing else torch.cat([table, table.new_zeros(missing, *table.shape[1:])])
