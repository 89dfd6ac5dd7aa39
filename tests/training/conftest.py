"""What holds for every training test: a folder of its own to work in, and little to evaluate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training import session


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder; runs in this process evaluate in 2 environments and leave torch as it was."""
    precision = torch.get_float32_matmul_precision()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "EVAL_ENVS", 2)
    yield tmp_path
    torch.set_float32_matmul_precision(precision)
