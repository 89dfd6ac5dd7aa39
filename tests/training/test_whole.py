"""Files appear whole or not at all, and nothing half-written stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.training.test_checkpoint import full_disk
from training import checkpoint, run_folder
from training.whole import replacing


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_there_and_no_other(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(error), replacing(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise error
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "old"
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "new"


def test_a_full_disk_and_a_second_ctrl_c_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with full_disk(1000), pytest.raises(OSError):
        run_folder.write_json(tmp_path / run_folder.CONFIG, ["much"] * 1000)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save({"tensor": torch.zeros(10)}, tmp_path / "state.pt")
    assert os.listdir(tmp_path) == []


def test_without_git_nothing_is_claimed_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert run_folder.commit() == {"commit": "unknown", "uncommitted_changes": "unknown"}
