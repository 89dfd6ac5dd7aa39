"""What is said of other busy processes when a run begins."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch

import envs
from training.config import busy
from training.config.presets import PRESETS

CPU = torch.device("cpu")
CORES = sorted(os.sched_getaffinity(0))[:1]
# user nice system idle iowait irq softirq steal guest guest_nice
BEFORE = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu{core} 100 50 30 1000 7 1 1 0 40 0\ncpu99999 0 0 0 0 0 0 0 0 0 0\nintr 5\n"
AFTER = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu{core} 112 60 36 1010 8 2 1 0 52 0\ncpu99999 9 0 0 0 0 0 0 0 0 0\nintr 9\n"


@pytest.mark.parametrize(("niceness", "expected"), [(0, 18 / 40), (10, 28 / 40)])
def test_busy_cores_are_counted_by_hand(
    niceness: int, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 ticks, of which 12 are a user's, 10 of a lower priority, 6 the system's, 10 idle, and 2 neither; guests' are
    in the user's, and a core that this process may not use does not count."""
    monkeypatch.setattr(os, "getpriority", lambda *_: niceness)
    monkeypatch.setattr(busy, "STAT", tmp_path / "stat")
    assert busy.ticks() == {} and busy.busy_cores({}, {}) == 0
    found = []
    for text in (BEFORE, AFTER):
        busy.STAT.write_text(text.format(core=CORES[0]))
        found.append(busy.ticks())
    assert busy.busy_cores(*found) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("others", "threads", "device", "said"),
    [
        (1.0, 2, CPU, True),
        (0.1, 2, CPU, False),
        (1.0, 1, CPU, False),
        (6.0, 8, CPU, True),
        (1.0, 2, torch.device("cuda"), False),
    ],
    ids=["a busy process", "none", "one thread", "two of eight cores left", "a GPU learns"],
)
def test_it_is_said_where_threads_outnumber_the_cores_that_are_left(
    others: float, threads: int, device: torch.device, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy, "WINDOW", 0.0)
    monkeypatch.setattr(busy, "busy_cores", lambda *_: others)
    cores = max(2, threads)
    monkeypatch.setattr(envs, "cores", lambda: cores)
    sentence = busy.notice(dataclasses.replace(PRESETS["push-pixels"], threads=threads), device)
    assert (sentence is not None) == said
    if sentence is not None:
        left = round(cores - others)
        assert f"{others} of {cores} cores" in sentence and f"--threads {left} " in sentence
