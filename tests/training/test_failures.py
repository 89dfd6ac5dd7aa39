"""Runs that cannot go on end with a sentence, and what was saved before stays good."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import envs
import train
from tests.training.runs import at_step, metrics, run, saved_state, stop, tiny
from tests.training.test_checkpoint import full_disk
from training import checkpoint, finish, run_folder
from training.rollout.evaluate import Evaluation, evaluate

RUN = Path("run")
MODEL = RUN / checkpoint.MODEL
AFTER_STEP = train.Run.after_step


def break_weights(run: train.Run) -> None:
    with torch.no_grad():
        next(run.trainer.agent.actor.parameters()).fill_(math.nan)


def break_weights_and_stop(run: train.Run) -> None:
    break_weights(run)
    stop(run)


def break_critic(run: train.Run) -> None:
    with torch.no_grad():
        next(run.trainer.agent.critic.parameters()).fill_(math.inf)


def break_rewards(run: train.Run) -> None:
    run.trainer.ring.storage.tables["reward"].fill_(math.nan)


@pytest.mark.parametrize(
    ("step", "happen", "name", "found_by"),
    [
        (400, break_weights, "actor", 400),  # found before the evaluation of this very step saves the model
        (320, break_weights_and_stop, "actor", 320),
        (328, break_critic, "critic_loss", 400),
        (328, break_rewards, "critic_loss", 400),
    ],
    ids=["weights, at an evaluation", "weights, at a stop", "critic", "rewards"],
)
def test_nan_stops_the_run_and_keeps_the_last_good_one(
    step: int,
    happen: Callable[[train.Run], None],
    name: str,
    found_by: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    at_step(monkeypatch, step, happen)
    flags = ("--total-steps", "640", "--save-every", "200", "--log-every", "160", "--her-strategy", "none")
    assert tiny(RUN, *flags, "--no-clip-targets") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "Traceback" not in error
    assert error.startswith(f"train.py: {name}") and "what the environments returned was not" in error
    assert error.endswith(f"; by step {found_by}, what was saved is kept (run/model.pt, run/resume/state.pt).\n")
    model, state = checkpoint.load(MODEL, "cpu"), saved_state(RUN)
    assert model["step"] == state["training_state"]["step"] == 200
    for networks in (model["policy"], state["trainer"]["learner"]["agent"]):
        assert networks and all(value.isfinite().all() for value in networks.values())


def move(run: train.Run) -> None:
    os.rename(RUN, "elsewhere")


def remove(run: train.Run) -> None:
    shutil.rmtree(RUN)


@pytest.mark.parametrize(
    "step", [240, 400, "finish"]
)  # in the middle, before a row and a model are written, at the end
@pytest.mark.parametrize("happen", [move, remove])
def test_a_folder_that_is_moved_or_removed_ends_its_run_and_it_is_said_where_it_is(
    happen: Callable[[train.Run], None], step: int | str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Nothing is made anew under the old name, and what was saved can be continued under the new one."""
    if step == "finish":

        def then_evaluate(*playing: Any, **how: Any) -> Evaluation:
            happen(playing[0])
            return evaluate(*playing, **how)

        monkeypatch.setattr("training.finish.evaluate", then_evaluate)
    else:
        at_step(monkeypatch, int(step), happen)
    assert tiny(RUN, "--total-steps", "640", "--save-every", "200") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and not RUN.exists()
    if happen is remove:
        assert error == ("train.py: run was removed, or moved to another disk, while its run went on: the run ends.\n")
        return
    there = Path("elsewhere").resolve()
    saved = 640 if step == "finish" else 200
    assert error.startswith(
        f"train.py: run was moved to {there} while its run went on: the run ends, and what was saved"
    )
    assert f"({there}/model.pt, {there}/resume/state.pt)" in error and "free some" not in error
    assert saved_state(there)["training_state"]["step"] == saved
    if step != "finish":
        monkeypatch.setattr(train.Run, "after_step", AFTER_STEP)
        assert run("--resume", "elsewhere") == 0


def fill_for_rows(run: train.Run) -> None:
    assert run.logger is not None
    run.logger.file = open("/dev/full", "a")  # noqa: SIM115 - the run's from here on


def test_a_disk_that_is_full_for_a_row_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    at_step(monkeypatch, 240, fill_for_rows)
    assert tiny(RUN, "--total-steps", "640", "--save-every", "200") == 1
    assert capsys.readouterr().err == (
        "train.py: run/metrics.csv could not be written (No space left on device); free some space.\n"
    )
    assert saved_state(RUN)["training_state"]["step"] == 200 and metrics(RUN)[-1]["step"] == "200"


def test_a_disk_that_is_full_for_a_checkpoint_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    save = train.Run.save

    def save_on_full_disk(run: train.Run) -> None:
        with full_disk(10_000 if run.state.step > 200 else 10_000_000):
            save(run)

    monkeypatch.setattr(train.Run, "save", save_on_full_disk)
    assert tiny(RUN, "--total-steps", "640", "--save-every", "200") == 1
    error = capsys.readouterr().err
    assert error.startswith("train.py: run/resume/state.pt could not be saved ([Errno ") and error.count("\n") == 1
    assert saved_state(RUN)["training_state"]["step"] == 200 and checkpoint.load(MODEL, "cpu")["step"] == 400
    assert os.listdir(RUN / "resume") == ["state.pt"]


@pytest.mark.parametrize("file", [run_folder.CONFIG, finish.EVAL])
def test_a_disk_that_is_full_at_either_end_ends_the_run(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    write_text = Path.write_text

    def write(path: Path, text: str) -> int:
        if path.name.startswith(file):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_text(path, text)

    monkeypatch.setattr(Path, "write_text", write)
    assert tiny(RUN, "--total-steps", "160") == 1
    error = capsys.readouterr().err
    assert error.startswith("train.py: a file could not be read or written ([Errno 28] No space left")
    assert error.count("\n") == 1


def test_a_worker_that_dies_ends_the_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def kill_worker(run: train.Run) -> None:
        run.trainer.train_envs._blocks._blocks[0].process.kill()

    at_step(monkeypatch, 240, kill_worker)
    assert tiny(RUN, "--total-steps", "640", "--save-every", "200", "--workers", "1") == 1
    assert "Worker 0 (environments 0 to 7 of FetchPush-v4) was killed by SIGKILL" in capsys.readouterr().err
    assert saved_state(RUN)["training_state"]["step"] == 200


def test_ctrl_c_before_the_first_step_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "Trainer", interrupted)
    assert tiny(RUN) == 130 and os.listdir() == []


def test_without_a_gl_library_the_video_is_skipped_and_the_table_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def record(*_: object, **__: object) -> None:
        raise envs.RenderError("Nothing can be rendered: install it")

    monkeypatch.setattr(envs, "record", record)
    assert tiny(RUN, "--total-steps", "160", "--video") == 0
    assert "skipped: Nothing can be rendered: install it" in capsys.readouterr().out
    assert (RUN / finish.EVAL).exists()
