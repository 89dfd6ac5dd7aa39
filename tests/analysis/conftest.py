"""An agent that sees, for the tests of the commands that look at what it sees."""

from __future__ import annotations

import dataclasses

import pytest

from analysis import cameras, feature_stats
from training.config import cli
from training.evaluator import Evaluator

STACKED = ["book-pixels", "--render-size", "84", "--no-msaa", "--frame-stack", "2", "--cameras", "close",
           "--threads", "1", "--num-envs", "2"]  # fmt: skip


@pytest.fixture
def stacked(monkeypatch: pytest.MonkeyPatch) -> Evaluator:
    """An untrained agent that sees two images at a time; the commands get it for whatever run they name."""
    one = Evaluator(dataclasses.replace(cli.parse(STACKED), device="cpu"), workers=0)
    for command in (cameras, feature_stats):
        monkeypatch.setattr(command, "evaluator_of", lambda _: one)
    return one
