"""Memory limits of control groups, on made-up trees of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.config import cgroup, memory, resources


def group(folder: Path, limit: str, used: int, dropped: int, version: int = 2) -> None:
    _, limit_file, used_file, name = cgroup.FILES[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / limit_file).write_text(f"{limit}\n")
    (folder / used_file).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{name} {dropped}\n")


def test_the_groups_around_a_job_limit_it_too(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/system.slice/job_7/step_0\n")
    group(tmp_path / "system.slice" / "job_7" / "step_0", "max", 10, 0)
    group(tmp_path / "system.slice" / "job_7", "1000", 400, 100)
    group(tmp_path / "system.slice", "5000", 400, 0)
    assert sorted(cgroup.free_bytes(tmp_path, own)) == [700, 4600]


def test_version_1_and_a_container_that_names_its_group_as_the_host_does(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:cpu,memory:/docker/abc\n3:pids:/docker/abc\n")
    group(tmp_path / "memory", "2000", 500, 200, version=1)
    assert cgroup.free_bytes(tmp_path, own) == [1700]
    own.unlink()
    assert cgroup.free_bytes(tmp_path, own) == [1700]
    assert cgroup.free_bytes(tmp_path / "none", own) == []


def test_what_a_group_allows_is_what_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.cgroup, "free_bytes", lambda: [123, 456])
    assert memory.available_bytes(resources.torch_device("cpu")) == 123
