"""Two experiments beside each other, each in a process of its own."""

from __future__ import annotations

import json

import pytest

from benchmarks import pair


def test_both_are_run_and_compared(capsys: pytest.CaptureFixture) -> None:
    flags = ["--steps", "700", "--after", "200", "--rounds", "1", "--threads", "1", "--json"]
    assert pair.main(["reach-state", "reach-auto", *flags]) == 0
    report = json.loads(capsys.readouterr().out)
    (first,), (second,) = (report["steps_per_second"][name] for name in ("reach-state", "reach-auto"))
    assert first > 0 and second > 0 and report["ratio"] == first / second


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reach-state", "reach-state"], "name two experiments"),
        (["reach-state", "reach-auto", "--steps", "1000"], "500 more than --after"),
        (["reach-state", "reach-nothing"], "there is no experiment reach-nothing"),
    ],
)
def test_what_makes_no_sense_gets_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be started"))
    assert pair.main(arguments) == 2
    assert said in capsys.readouterr().err
