"""The floor is counted as one would by hand."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks import floor, roofline
from encoders import shapes
from training.config import cli

SMALL = ["--num-envs", "2", "--batch-size", "16", "--workers", "0", "--threads", "1", "--device", "cpu"]


def once(*works: Callable[[], Any], **_: Any) -> list[float]:
    """Stands for medians of many times."""
    times = []
    for work in works:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return times


def test_operations_and_bytes_of_a_pixel_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "seconds_of", once)
    learner = floor.Learner(cli.parse(["push-pixels", *SMALL, "--updates-per-encoding", "2", "--accelerate", "off"]))
    sample, encode, gradient, behind, steps, whole = learner.parts(floor.Rates(1e9, 1e9, 1e9))
    maps = shapes("fast", 6, 84)
    layers = [2 * 9 * before[0] * after[0] * after[1] * after[2] for before, after in itertools.pairwise(maps)]
    trunk = 2 * 32 * 21 * 21 * 50
    head = 2 * ((50 + 10) * 128 + 128 * 3)
    pairs = 2 * 16
    assert encode.gflop * 1e9 == pairs * (sum(layers) + trunk + head)
    # Weights' gradients and inputs': none of the images, and none of the robot's own numbers asks for one.
    assert gradient.gflop * 1e9 == pytest.approx(16 * (2 * sum(layers) - layers[0] + 2 * trunk + 2 * head), rel=0.01)
    assert sample.megabytes * 1e6 > 2 * pairs * 84 * 84 * 6  # read and written
    # Adam reads four numbers of a parameter and writes three; polyak reads two and writes one. Twice, for two updates.
    agent = learner.agent
    critics, actor = (sum(p.numel() for p in module.parameters()) for module in (agent.critic, agent.actor))
    assert steps.megabytes * 1e6 == 2 * (4 * 7 * (critics + actor) + 4 * 3 * critics)
    # At a GFLOP/s and a GB/s, a floor is the sum of both counts.
    for part in (sample, encode, gradient, behind, steps, whole):
        assert part.floor == pytest.approx(1e3 * part.gflop + part.megabytes)
    assert whole.gflop == pytest.approx(encode.gflop + gradient.gflop + behind.gflop)
    learner.close()


def test_products_are_told_from_convolutions() -> None:
    maps, kernel, matrix = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3), torch.randn(5, 6)
    counted = floor.flops_of(lambda: (torch.conv2d(maps, kernel), matrix @ matrix.T))
    assert counted == (2 * 2 * 4 * 6 * 6 * 3 * 9, 2 * 5 * 6 * 5)


def test_the_report_is_one_json_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(floor, "seconds_of", once)
    assert roofline.main(["reach", *SMALL, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    behind = ["actor and critics, 1x", "their optimizers and targets, 1x"]
    assert [part["name"] for part in report["update"]] == ["sample", *behind, "all of it"]
    assert all(value > 0 for value in report["rates"].values())
    assert set(report["environment"]) == {
        "physics (mj_step)", "observation, reward, resets", "drawing", "hand-over from a worker",
    }  # fmt: skip
    assert roofline.main(["reach", *SMALL]) == 0
    assert "actor and critics" in capsys.readouterr().out
    assert roofline.main(["reach", "--gamma", "2"]) == 2
    assert "--gamma is 2.0" in capsys.readouterr().err
