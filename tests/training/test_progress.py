"""What a person sees while a run goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.training.runs import tiny_config
from training import progress as progress_module
from training.progress import Counted, Progress, duration

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


def test_what_takes_long_is_told_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [0.0], list[str]()
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    tell = Counted(said.append, "evaluating 100 episodes", 100)
    for done in range(101):  # a second each
        tell(done)
        now[0] += 1
    assert said[0] == "evaluating 100 episodes ..." and said[1] == "  5 of 100 episodes"
    assert len(said) == 1 + 100 // 5


def test_between_rows_steps_are_told_and_each_row_has_the_position_error(monkeypatch: pytest.MonkeyPatch) -> None:
    now, screen = [0.0], io.StringIO()
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    with Progress(tiny_config("--total-steps", "5000"), Console(file=screen)) as progress:
        for step in range(0, 80, 8):
            progress.tick(step, step / 8)
            now[0] += 1
        progress.show(BEFORE | {"position_error_cm": 1.234})
        now[0] += 100
        progress.tick(600, 110)
        progress.tick(608, 111)
    lines = screen.getvalue().splitlines()
    assert lines[0] == "step       40 of 5000" and "  error  1.23 cm  " in lines[1]
    assert lines[2:] == ["step      600 of 5000"]


def test_a_terminal_gets_one_table_that_changes() -> None:
    text = shown(terminal=True)
    last = text[text.rindex("FetchPush-v4, seed 0") :]
    assert "1500 of 5000 (30%)" in last and "42%" in last and "1:12, 3:37" in last


@pytest.mark.parametrize(("seconds", "text"), [(3.9, "0:03"), (75, "1:15"), (3723, "1:02:03")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
