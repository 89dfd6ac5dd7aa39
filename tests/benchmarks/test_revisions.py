"""Two commits, timed side by side; the trainings themselves are made up here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import revisions


def test_rows_before_learning_do_not_count_and_ratios_are_of_rounds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speeds = {"this": [30.0, 50.0, 70.0], "other": [20.0, 25.0, 70.0]}  # ratios 1.5, 2, 1
    order: list[str] = []
    run = subprocess.run

    def stands_for_training(command: list[str], **options: Any) -> Any:
        if command[0] == "git":
            return run(command, **options)
        tree, folder = options["cwd"], Path(command[command.index("--run-dir") + 1])
        assert (tree / "train.py").exists()
        order.append("this" if tree == revisions.HERE else "other")
        speed = speeds[order[-1]][order.count(order[-1]) - 1]
        folder.mkdir()
        rows = [(1200, 999), (1600, speed - 1), (2000, speed), (2400, speed + 5)]
        lines = [f"{step},{value}" for step, value in rows]
        (folder / "metrics.csv").write_text("\n".join(["step,steps_per_second", *lines]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", stands_for_training)
    assert revisions.main(["HEAD", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["env_steps_per_second"] == speeds
    assert report["ratio"] == 1.5
    assert report["commits"]["this"] == report["commits"]["other"]
    assert order == ["this", "other", "other", "this", "this", "other"]


@pytest.mark.parametrize("arguments", [["HEAD", "--steps", "5"], ["HEAD", "--rounds", "0"], ["no-such-commit"]])
def test_what_cannot_be_measured_gets_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert revisions.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("benchmarks.revisions: ")
