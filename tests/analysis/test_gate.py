"""Which settings the gate tries, and what it writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis import gate


def test_the_first_of_each_list_and_then_one_change_at_a_time() -> None:
    arguments = gate.Arguments(Path("out"), "vae", ("close", "front"), (48, 84), (32,), (1.0, 10.0))
    expected = [("close", 48, 32, 1.0), ("front", 48, 32, 1.0), ("close", 84, 32, 1.0), ("close", 48, 32, 10.0)]
    assert [tuple(one) for one in gate.settings(arguments)] == [("vae", *one) for one in expected]
    arguments = gate.Arguments(Path("out"), "spatial", ("close", "front+close"))
    assert [tuple(one) for one in gate.settings(arguments)] == [
        ("spatial", "close", 84, 2, 0.0),
        ("spatial", "front+close", 84, 4, 0.0),
    ]


def test_images_of_several_cameras_are_told_apart() -> None:
    pixels = np.arange(9, dtype=np.uint8)[None, None, None].repeat(2, axis=0)
    assert gate.channels(pixels, ["a", "b", "c"], "c+a")[0, 0, 0].tolist() == [6, 7, 8, 0, 1, 2]


def test_a_row_for_each_setting_and_their_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "gate"
    flags = "--views close --crops 16 --latents 4 --betas 1 5 --updates 2 --count 100"
    assert gate.main([str(out), *flags.split()]) == 0
    with (out / "gate.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["beta"], row["updates"]) for row in rows] == [("1", "2"), ("5", "2")]
    assert all(float(row["r2"]) < gate.GATE and float(row["kl"]) > 0 for row in rows)
    assert (out / "gate.png").stat().st_size > 1000 and "not passed" in capsys.readouterr().out.replace("\n", " ")
    spatial = [str(out), "--model", "spatial", "--views", "close", "--count", "100"]
    assert gate.main([*spatial, "--updates", "4", "--warm-up", "2"]) == 0
    with (out / "gate.csv").open(newline="") as file:
        assert [(row["model"], row["latents"], row["kl"]) for row in csv.DictReader(file)] == [("spatial", "2", "0")]
    for wrong, said in (
        (["--updates", "4", "--warm-up", "4"], "leave some in which to seek the object"),
        (["--betas", "1"], "has no crops, latents, betas"),
    ):
        assert gate.main([*spatial, *wrong]) == 2
        assert said in capsys.readouterr().err
    assert gate.main([str(out), "--env-id", "FetchReach-v4"]) == 2
    assert "take a Fetch task with an object" in capsys.readouterr().err
