"""Runs that are interrupted and resumed: one for real, and the record of one that came out otherwise."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from scripts import interruptions
from scripts.interruptions import Interrupted

SHORT = ("reach", "--total-steps", "200", "--log-every", "40", "--eval-every", "200", "--eval-episodes", "1",
         "--learning-starts", "100", "--batch-size", "16", "--final-episodes", "1", "--no-video", "--threads", "1",
         "--workers", "0")  # fmt: skip


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_interrupted_run_comes_out_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert interruptions.main(tmp_path / "out.csv", 1, SHORT) == 0
    (row,) = rows_of(tmp_path / "out.csv")
    assert row["way"] == "SIGKILL" and row["exit_code"] == "-9" and row["differences"] == ""
    assert "0 changed a number" in capsys.readouterr().out


def test_a_run_that_comes_out_otherwise_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five interrupted runs. The third, a SIGTERM, has another Q in its last row, and had been saved 7 s before."""
    monkeypatch.setattr(interruptions, "to_the_end", lambda *arguments: Path(arguments[-1]).mkdir(exist_ok=True))
    monkeypatch.setattr(
        interruptions, "interrupt", lambda _run, _arguments, way, _after: Interrupted(0, True, 7.0 * (way == "SIGTERM"))
    )
    monkeypatch.setattr(
        interruptions, "rows_in", lambda run: [{"step": "40", "q": "-2" if run.name == "run-2" else "-1"}]
    )
    assert interruptions.main(tmp_path / "out.csv", 5, ("reach",)) == 1
    assert [row["way"] for row in rows_of(tmp_path / "out.csv") if row["differences"]] == ["SIGTERM"]
    assert "1 changed a number; at most 7.0 s" in capsys.readouterr().out
