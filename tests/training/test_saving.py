"""When a run saves by the clock."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

import train
from tests.training.runs import at_step, saved_state, tiny


@pytest.mark.parametrize(
    ("minutes", "saving", "ranks", "waited", "due"),
    [
        (1, 0.1, 1, 59, False),
        (1, 0.1, 1, 61, True),
        (1, 2.0, 1, 61, False),  # saving is slow, and is not to take more than a fiftieth of the time
        (1, 2.0, 1, 101, True),
        (1, 0.1, 2, 61, False),  # several ranks save by steps
    ],
)
def test_a_save_is_due_by_minutes(
    minutes: float, saving: float, ranks: int, waited: float, due: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = SimpleNamespace(config=SimpleNamespace(save_minutes=minutes), ranks=SimpleNamespace(count=ranks))
    run_of = SimpleNamespace(trainer=trainer, saving=saving, saved=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + waited)
    assert train.Run._long_ago(cast(Any, run_of)) == due


def test_a_run_saves_by_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []

    def look(run: train.Run) -> None:
        saved.append(saved_state(run.folder)["training_state"]["step"])

    at_step(monkeypatch, 400, look)
    assert tiny("run", "--total-steps", "480", "--save-every", "100000", "--save-minutes", "0.0001") == 0
    assert 0 < saved[0] < 400
