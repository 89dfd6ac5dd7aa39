"""Whole runs where a GPU is, with the update as a CUDA graph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.training.runs import TINY, metrics, run
from training import run_folder


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("preset", ["push", "push-pixels", "push-pixels-chapter"])
def test_a_run_with_a_graph_learns_stops_and_goes_on(preset: str) -> None:
    flags = [preset, *TINY, "--device", "cuda", "--accelerate", "max", "--run-dir", "run"]
    assert run(*flags, "--total-steps", "240") == 0
    assert json.loads(Path("run", run_folder.VERSIONS).read_text())["captured"]
    assert run("--resume", "run", "--total-steps", "400") == 0
    rows = metrics(Path("run"))
    assert [int(row["updates"]) for row in rows] == [int(0.25 * (int(row["step"]) - 80)) for row in rows]
    assert len({row["critic_loss"] for row in rows if row["critic_loss"]}) > 1  # it does not stand still


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("preset", ["push", "push-pixels"])
def test_a_run_with_its_replay_in_the_hosts_memory_stops_and_goes_on(preset: str) -> None:
    flags = [preset, *TINY, "--device", "cuda", "--replay-device", "cpu", "--run-dir", "run"]
    assert run(*flags, "--total-steps", "240") == 0
    assert run("--resume", "run", "--total-steps", "400") == 0


def test_without_one_max_says_why_there_is_no_graph(capsys: pytest.CaptureFixture) -> None:
    assert run("reach", *TINY, "--accelerate", "max", "--total-steps", "120", "--run-dir", "run") == 0
    sentence = "--accelerate max is auto here, without a CUDA graph of the update: the learner is on a CPU."
    assert capsys.readouterr().out.count(sentence) == 1
