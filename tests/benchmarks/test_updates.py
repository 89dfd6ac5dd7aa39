"""Updates of experiments, in turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import updates


def test_each_experiment_has_the_time_of_one_update(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "updates.json"
    names = ["reach-state", "reach-cell-a"]
    assert updates.main([names[0], "reach-critic", "--rounds", "1", "--seconds", "0.01", "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert list(report["updates"]) == names and report["threads"] == 1
    assert all(row["milliseconds"] > 0 for row in report["updates"].values())
    assert [row["updates_per_encoding"] for row in report["updates"].values()] == [1, 4]
    assert "reach-cell-a: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    ["", "reach-state --rounds 0", "reach-state --seconds nan", "reach-nothing", "reach-state --out missing/x.json"],
)
def test_what_makes_no_sense_gets_one_sentence(line: str, capsys: pytest.CaptureFixture) -> None:
    assert updates.main(line.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmarks.updates: ") and said.count("\n") == 1
