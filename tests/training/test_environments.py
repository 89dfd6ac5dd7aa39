"""Environments that raise, return NaN, or cannot be built or reset: a sentence, and what was learned is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import eval as evaluation
import train
from tests.envs import failing, unruly
from tests.training import runs
from tests.training.runs import at_step, saved_state, tiny
from training import checkpoint, run_folder

RUN = Path("run")
MODEL = RUN / checkpoint.MODEL


def sicken(key: str, when: str = "step", evaluating: bool = False) -> Callable[[train.Run], None]:
    def happen(run: train.Run) -> None:
        vec = run.trainer.eval_envs if evaluating else run.trainer.train_envs
        vec.set_attr("sick", (None,) * (vec.num_envs - 1) + ((when, key, math.nan),))

    return happen


def exhaust_torch(_: train.Run) -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


KEPT = "what was saved is kept (run/model.pt, run/resume/state.pt)"


@pytest.mark.parametrize(
    ("step", "happen", "said", "by_step", "saved"),
    [
        (112, sicken("achieved_goal"), "Unruly-v0 returned achieved_goal[7, 0] = nan at a step", 112, 0),
        (320, sicken("reward"), "Unruly-v0 returned reward[7] = nan at a step", 320, 200),
        (400, sicken("observation", "reset", True), "Unruly-v0 returned observation[1, 0] = nan at a reset", 400, 200),
        (120, exhaust_torch, "memory ran out: free some", 120, 0),
        (320, exhaust_torch, "memory ran out: free some", 320, 200),
    ],
    ids=["NaN goal", "NaN reward", "NaN in an evaluation", "memory, early", "memory"],
)
def test_what_ends_a_run_is_said_and_what_is_kept(
    step: int,
    happen: Callable[[train.Run], None],
    said: str,
    by_step: int,
    saved: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """Nothing blames the learning rate, and no file is named that is not there."""
    unruly.register()
    at_step(monkeypatch, step, happen)
    flags = ("--env-id", "Unruly-v0", "--total-steps", "640", "--save-every", "200")
    assert tiny(RUN, *flags) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"train.py: {said}") and error.count("\n") == 1 and "learning-rate" not in error
    assert error.endswith(f"; by step {by_step}, {KEPT}.\n")
    assert saved_state(RUN)["training_state"]["step"] == checkpoint.load(MODEL, "cpu")["step"] == saved


def let_raise(evaluating: bool = False) -> Callable[[train.Run], None]:
    def happen(run: train.Run) -> None:
        vec = run.trainer.eval_envs if evaluating else run.trainer.train_envs
        vec.set_attr("raises", [False] * (vec.num_envs - 1) + [True])

    return happen


@pytest.mark.parametrize("evaluating", [False, True], ids=["training", "evaluating"])
@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_environment_that_raises_is_named_and_what_was_learned_is_saved(
    evaluating: bool, workers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    unruly.register()
    step = 400 if evaluating else 320
    with monkeypatch.context() as patch:
        at_step(patch, step, let_raise(evaluating))
        flags = ("--env-id", "Unruly-v0", "--total-steps", "640", "--workers", workers)
        assert tiny(RUN, *flags) == 1
    place = " in worker 0" if workers == "1" else ""
    assert capsys.readouterr().err == (
        f"train.py: Environment {1 if evaluating else 7} of Unruly-v0{place} raised ArithmeticError (a deliberate "
        f"failure): its traceback is in run/traceback.txt; by step {step}, {KEPT}.\n"
    )
    assert "in step" in (RUN / "traceback.txt").read_text() and "unruly.py" in (RUN / "traceback.txt").read_text()
    assert saved_state(RUN)["training_state"]["step"] == checkpoint.load(MODEL, "cpu")["step"] == step
    assert runs.run("--resume", "run") == 0


@pytest.mark.parametrize("left", range(18))  # in the checks; in the first resets; in the first reward of the replay
def test_an_environment_that_cannot_be_reset_is_named(
    left: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(failing.Weary, "resets", left)
    code = tiny(RUN, "--env-id", "Weary-v0", "--total-steps", "160")
    error = capsys.readouterr().err
    assert "(tired)" in error and error.count("\n") == 1 and "Traceback" not in error
    assert code == (2 if left < 9 else 1)
    monkeypatch.setattr(failing.Weary, "resets", 10**9)  # mended: nothing is in the way of the same command
    assert (RUN / run_folder.CONFIG).exists() or tiny(RUN, "--env-id", "Weary-v0", "--total-steps", "160") == 0


@pytest.mark.parametrize("kind", [KeyError, MemoryError])
def test_rewards_that_cannot_be_computed_end_the_run(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(failing.Weary, "rewards", 40)
    monkeypatch.setattr(failing.Weary, "error", kind)
    assert tiny(RUN, "--env-id", "Weary-v0", "--total-steps", "640") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.endswith(f", {KEPT}.\n") and "; by step " in error
    if kind is MemoryError:
        assert error.startswith("train.py: memory ran out: free some")
    else:
        assert "a compute_reward that raised KeyError ('no reward'): its traceback is in run/traceback" in error
        assert "in compute_reward" in (RUN / "traceback.txt").read_text()
        assert f"by step {saved_state(RUN)['training_state']['step']}," in error, "what was learned is saved"


def test_memory_that_runs_out_while_an_environment_is_built_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(failing.Weary, "built", 7)
    monkeypatch.setattr(failing.Weary, "error", MemoryError)
    assert tiny(RUN, "--env-id", "Weary-v0", "--total-steps", "160") == 1
    assert capsys.readouterr().err.startswith("train.py: memory ran out: free some")


@pytest.mark.parametrize("left", range(12))
def test_an_environment_that_cannot_be_built_again_is_named(
    left: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(failing.Weary, "built", left)
    assert tiny(RUN, "--env-id", "Weary-v0", "--total-steps", "160") == 2
    assert capsys.readouterr().err == (
        "train.py: 'Weary-v0' cannot be built (no more of them): install what it needs or choose another id.\n"
    )


def test_what_an_environment_says_beside_is_left_out_and_no_failure(capfd: pytest.CaptureFixture) -> None:
    assert tiny(RUN, "--env-id", "tests.envs.failing:Talkative-v0", "--total-steps", "160", "--workers", "1") == 0
    assert "Talkative-v0 observes wind too, which nothing reads: put it into" in capfd.readouterr().out
    for workers in ("0", "1"):
        config = json.loads((RUN / run_folder.CONFIG).read_text())
        (RUN / run_folder.CONFIG).write_text(json.dumps(config | {"workers": int(workers)}))
        assert evaluation.main([str(RUN), "--json", "--episodes", "2"]) == 0
        said = capfd.readouterr()
        assert json.loads(said.out)["episodes"] == 2 and "a step, or a reset" in said.err
