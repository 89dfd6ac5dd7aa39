"""Environments by id."""

from __future__ import annotations

import envs
from envs.registry import find_spec


def test_a_module_can_be_named() -> None:
    """As in gymnasium.make: it is imported first."""
    assert find_spec("tests.envs.unruly:Unruly-v0").id == "Unruly-v0"
    envs.make_vec("tests.envs.unruly:Unruly-v0", 1, workers=1).close()
