"""Environments by id."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import envs
from envs.registry import find_spec, make_env


def test_a_module_can_be_named() -> None:
    """As in gymnasium.make: it is imported first."""
    assert find_spec("tests.envs.unruly:Unruly-v0").id == "Unruly-v0"
    envs.make_vec("tests.envs.unruly:Unruly-v0", 1, workers=1).close()


def test_a_maze_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = make_env("PointMaze_UMaze-v3")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
    assert tempfile.tempdir == str(tmp_path) and not list(tmp_path.iterdir())
