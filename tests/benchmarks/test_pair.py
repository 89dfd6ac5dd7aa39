"""Two experiments beside each other, each in a process of its own."""

from __future__ import annotations

import json

import pytest

from benchmarks import pair
from training.errors import RunFailed


def test_both_are_run_and_compared(capsys: pytest.CaptureFixture) -> None:
    flags = ["--steps", "700", "--after", "200", "--rounds", "1", "--threads", "1", "--json"]
    assert pair.main(["reach-state", "reach-auto", *flags]) == 0
    report = json.loads(capsys.readouterr().out)
    (first,), (second,) = (report["steps_per_second"][name] for name in ("reach-state", "reach-auto"))
    assert first > 0 and second > 0 and report["ratio"] == first / second


def test_only_what_lies_between_the_bounds_is_counted() -> None:
    steps, seconds, updates = (0, 100, 200, 300, 400), (0.0, 90.0, 100.0, 120.0, 900.0), (0, 0, 10, 20, 30)
    rows = [
        {"step": float(step), "seconds": second, "updates": float(update)}
        for step, second, update in zip(steps, seconds, updates, strict=True)
    ]
    assert pair.rate(rows, 150, 400) == 100 / 20
    with pytest.raises(RunFailed, match="no update"):
        pair.rate(rows, 0, 150)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reach-state", "reach-state"], "name two experiments"),
        (["reach-state", "reach-auto", "--steps", "1000"], "500 more than --after"),
        (["step-2", "cell-a"], "name two experiments"),
        (["reach-state", "reach-auto", "--threads", "-1"], "--threads"),
        (["reach-state", "reach-nothing"], "there is no experiment reach-nothing"),
    ],
)
def test_what_makes_no_sense_gets_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be started"))
    assert pair.main(arguments) == 2
    assert said in capsys.readouterr().err
