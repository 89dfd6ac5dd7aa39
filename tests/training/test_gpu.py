"""Whole runs where a GPU is, with and without the update as a CUDA graph; and what a CPU can show of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.agent.small import state_tensors
from tests.training.runs import TINY, metrics, run
from training import gpu_updates, run_folder
from training.config import cli
from training.trainer import Trainer


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("preset", ["push", "push-pixels", "push-pixels-chapter"])
def test_a_run_with_a_graph_learns_stops_and_goes_on(preset: str) -> None:
    flags = [preset, *TINY, "--device", "cuda", "--accelerate", "max", "--run-dir", "run"]
    assert run(*flags, "--total-steps", "240") == 0
    assert json.loads(Path("run", run_folder.VERSIONS).read_text())["cuda_graph"]
    assert run("--resume", "run", "--total-steps", "400") == 0
    rows = metrics(Path("run"))
    assert [int(row["updates"]) for row in rows] == [int(0.25 * (int(row["step"]) - 80)) for row in rows]
    assert len({row["critic_loss"] for row in rows if row["critic_loss"]}) > 1  # it does not stand still


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("accelerate", ["auto", "max"])
@pytest.mark.parametrize(
    "flags",
    [
        "push --replay-device cpu", "push-pixels --replay-device cpu", "push-pixels-chapter --replay-device cpu",
        "push --env-id PointMaze_UMaze-v3", "push --env-id PointMaze_UMaze-v3 --replay-device cpu",
    ],
)  # fmt: skip
def test_a_run_whose_minibatches_are_drawn_outside_stops_and_goes_on(flags: str, accelerate: str) -> None:
    preset, *more = flags.split()
    where = ["--device", "cuda", "--accelerate", accelerate, "--run-dir", "run"]
    assert run(preset, *TINY, *where, *more, "--total-steps", "240") == 0
    assert json.loads(Path("run", run_folder.VERSIONS).read_text())["cuda_graph"] == (accelerate == "max")
    assert run("--resume", "run", "--total-steps", "400") == 0
    assert len({row["critic_loss"] for row in metrics(Path("run")) if row["critic_loss"]}) > 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("preset", ["push", "push-pixels", "push-pixels-chapter"])
def test_sampling_and_update_in_a_graph_are_those_of_the_eager_loop(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 100 updates, within 2% of Q, the tolerance for bfloat16; by the same random numbers (seeds are alike)."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    flags = [preset, *TINY, "--num-envs", "2", "--buffer-size", "400", "--device", "cuda"]
    captured, eager = (Trainer(cli.parse([*flags, "--accelerate", how])) for how in ("max", "auto"))
    explore(captured, eager)
    for _ in range(100):
        (metrics,) = map(captured.updates.update, captured.updates.batches(1))
        expected = eager.eager_updates.update(eager.eager_updates.batches(1)[0])
        torch.testing.assert_close(metrics["q"], expected["q"], rtol=2e-2, atol=2e-2)
    captured.close()
    eager.close()


def explore(*trainers: Trainer) -> None:
    for trainer in trainers:
        trainer.start()
        for _ in range(20):
            trainer.collector.begin_step(explore_only=True)
            trainer.collector.end_step()


@pytest.mark.parametrize("preset", ["push", "push-pixels", "push-pixels-chapter"])
def test_a_graph_that_does_not_draw_learns_from_each_minibatch_in_one_place(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All parts of the graph's way but the graph itself: a CPU has none."""
    trainers = [Trainer(cli.parse([preset, *TINY, "--num-envs", "2", "--buffer-size", "200"])) for _ in range(2)]
    captured, eager = trainers
    explore(captured, eager)
    places: set[int] = set()

    def recorded(learn: Callable[[], object], *_: object) -> Callable[[], object]:
        def step() -> object:
            places.update(part.reward.data_ptr() for part in updates.static)
            return learn()

        return step

    monkeypatch.setattr(gpu_updates, "CudaGraphUpdate", recorded)
    updates = gpu_updates.CudaGraphUpdates(captured.eager_updates, rewards_on_device=False)
    updates.prefetcher = None  # which samples before the update that comes before
    assert len(list(map(updates.update, updates.batches(3)))) == 3
    assert len(places) == len(updates.static) == (2 if captured.config.keeps_estimates else 1)
    for _ in range(3):
        eager.updates.update(*eager.updates.batches(1))
    for one, two in zip(state_tensors(captured.learner.sac), state_tensors(eager.learner.sac), strict=True):
        assert one.equal(two)
    for trainer in trainers:
        trainer.close()


def test_without_one_max_says_why_there_is_no_graph(capsys: pytest.CaptureFixture) -> None:
    assert run("reach", *TINY, "--accelerate", "max", "--total-steps", "120", "--run-dir", "run") == 0
    sentence = "--accelerate max is auto here, without a CUDA graph of the update: the learner is on a CPU."
    assert capsys.readouterr().out.count(sentence) == 1
