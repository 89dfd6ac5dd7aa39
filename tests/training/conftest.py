"""What holds for every training test: a folder of its own to work in, and little to evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest

from training import evaluator


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder; runs from state in this process evaluate in 2 environments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluator, "EVAL_ENVS", 2)
    return tmp_path
