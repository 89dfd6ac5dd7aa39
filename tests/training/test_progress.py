"""What a person sees while a run goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.training.runs import tiny_config
from training.progress import Progress, duration

BEFORE = {"step": 500.0, "seconds": 10.0, "steps_per_second": 250.0, "updates_per_second": 60.0, "q": -3.456}
EVALUATED = BEFORE | {"step": 1000.0, "seconds": 70.0, "eval_success": 0.42, "success_rolling": 0.25}


def shown(terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100, markup=False)
    with Progress(tiny_config("--total-steps", "5000"), console) as progress:
        progress.show(BEFORE)
        progress.show(EVALUATED)
        progress.show(BEFORE | {"step": 1500.0, "seconds": 72.0})
    return screen.getvalue()


def test_a_file_gets_a_line_for_each_row() -> None:
    lines = shown(terminal=False).splitlines()
    assert len(lines) == 3 and "evaluated    - " in lines[0] and "Q   -3.46" in lines[0]
    assert "step     1500  success  25%  evaluated  42%" in lines[2], "the latest evaluation stays in sight"
    assert lines[0].endswith("0:10 gone, 0:18 left") and lines[1].endswith("1:10 gone, 8:00 left")


def test_a_terminal_gets_one_table_that_changes() -> None:
    text = shown(terminal=True)
    last = text[text.rindex("FetchPush-v4, seed 0") :]
    assert "1500 of 5000 (30%)" in last and "42%" in last and "1:12, 3:37" in last


@pytest.mark.parametrize(("seconds", "text"), [(3.9, "0:03"), (75, "1:15"), (3723, "1:02:03")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
