"""Images a second of a layout, and of one that does not answer."""

from __future__ import annotations

import json
import multiprocessing

import pytest

from benchmarks import drawing
from benchmarks.drawing import Options


def test_each_layout_is_measured(capsys: pytest.CaptureFixture) -> None:
    assert drawing.main(["--processes", "2", "--tiles", "3", "--seconds", "0.2", "--rounds", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    layouts = report["layouts"]
    assert [(one["processes"], one["tiles"]) for one in layouts] == [(2, 1), (1, 3)] and report["gl_renderer"]
    assert all(one["pictures_per_second"] > 0 and len(one["rounds"]) == 1 for one in layouts)


def test_one_that_does_not_answer_is_said_to_hang_and_nothing_is_left(capsys: pytest.CaptureFixture) -> None:
    report = drawing.report_of(Options(processes=(2,), tiles=(), limit=0.1))
    assert report["layouts"][0]["pictures_per_second"] is None and report["layouts"][0]["rounds"] == []
    assert not multiprocessing.active_children()
    drawing.show(report)
    assert "hangs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [["--processes", "0"], ["--tiles", "97"], ["--rounds", "0"], ["--seconds", "60"], ["--processes", "--tiles"]],
)
def test_bad_values_get_one_sentence(flags: list[str], capsys: pytest.CaptureFixture) -> None:
    assert drawing.main(flags) == 2
    assert capsys.readouterr().err.startswith("benchmarks.drawing: --")
