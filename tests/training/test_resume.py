"""A run that was stopped, or killed, goes on as if nothing had happened."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

import train
from tests.training.runs import at_step, differences, metrics, run, saved_state, stop, tiny
from training import checkpoint, logger, run_folder, verdict
from training import evaluator as evaluator

# 60 observations a lane: the ring wraps within the second episode. 608 and 1008 steps are 76 and 126 of each
# environment, in the middle of the second and third episode. 2.4 updates a step leave a rest that must not be lost.
PICK = ("--env-id", "FetchPickAndPlace-v4", "--buffer-size", "480", "--alpha", "auto", "--updates-per-step", "0.3",
        "--total-steps", "1008")  # fmt: skip


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing that catches errors sees it."""


def kill(_: train.Run) -> None:
    raise Killed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "EVAL_ENVS", 2)
        assert tiny(folder, *PICK) == 0
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_bit_for_bit(
    whole: Path, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        at_step(patch, 608, lambda run: stop(run, number))
        assert tiny("run", *PICK) == 128 + number
    assert signal.getsignal(number) is before, "the handlers are given back"
    assert "stopped at step 608; continue with: " in (said := capsys.readouterr().out) and "--resume run" in said
    assert saved_state(Path("run"))["training_state"]["step"] == 608
    assert run("--resume", "run") == 0
    assert metrics(Path("run")) == metrics(whole)
    assert differences(saved_state(Path("run")), saved_state(whole)) == []
    for name in (checkpoint.MODEL, checkpoint.BEST):
        assert differences(checkpoint.load(Path("run", name), "cpu"), checkpoint.load(whole / name, "cpu")) == []


def test_the_stop_rule_ends_a_run_after_half_of_its_budget_and_it_can_go_on(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name, value in {"FLAT": 2.0, "LEAST_ROWS": 2, "LEAST_SURPRISE": math.inf}.items():
        monkeypatch.setattr(verdict, name, value)
    assert tiny("run", *PICK, "--stop-rule") == 0
    said = capsys.readouterr().out
    assert "stopped by --stop-rule at step 608: TD loss of original goals" in said  # the evaluation at 600 of 1008
    assert "--resume run --no-stop-rule" in said and not Path("run", "eval.json").exists()
    assert run("--resume", "run", "--no-stop-rule") == 0
    assert differences(saved_state(Path("run"))["trainer"], saved_state(whole)["trainer"]) == []
    assert tiny("dense", "--stop-rule", "--env-id", "FetchPushDense-v4", "--her-strategy", "none") == 2
    assert "leave it out" in capsys.readouterr().err and not Path("dense").exists()


def test_a_finished_run_can_be_prolonged() -> None:
    """To the same state as a run that was long from the start, if the learning rate does not depend on how long it is;
    where the environments step does not matter."""
    constant = (*PICK, "--learning-rate-decay", "0")
    assert tiny("long", *constant, "--total-steps", "608") == 0
    assert tiny("run", *constant, "--total-steps", "408") == 0
    assert run("--resume", "run", "--total-steps", "608", "--workers", "2") == 0
    assert differences(saved_state(Path("run"))["trainer"], saved_state(Path("long"))["trainer"]) == []
    config = run_folder.saved_config(Path("run"))
    assert (config.total_steps, config.workers, config.resume, config.run_dir) == (608, 2, None, "run")


def test_a_prolonged_runs_learning_rates_are_those_of_a_run_of_that_length() -> None:
    """At the end each falls to nothing, over half of all steps; 8 steps before it, 8 of that half are left."""
    assert tiny("run", *PICK, "--total-steps", "408") == 0
    assert rates("run") == pytest.approx([1e-3 * 8 / 204] * 3)  # of the last update, a step before the end
    assert run("--resume", "run", "--total-steps", "416") == 0
    assert rates("run") == pytest.approx([1e-3 * 8 / 208] * 3)


def rates(folder: str) -> list[float]:
    """Learning rates of critic, actor and temperature at the run's checkpoint."""
    optimizers = saved_state(Path(folder))["trainer"]["learner"]["optimizers"]
    return [optimizers[name]["param_groups"][0]["lr"] for name in ("critic", "actor", "temperature")]


def test_rows_past_the_checkpoint_of_a_killed_run_are_cut(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 808, kill)
        with pytest.raises(Killed):
            tiny("run", *PICK, "--save-every", "600")
    rows = Path("run", logger.CSV)
    assert metrics(Path("run"))[-1]["step"] == "800"
    with rows.open("a") as file:
        file.write("40")  # the disk was full in the middle of a row
    assert saved_state(Path("run"))["training_state"]["step"] == 600
    assert run("--resume", "run") == 0
    assert metrics(Path("run")) == metrics(whole)
    board = EventAccumulator("run/tensorboard").Reload()
    assert [event.step for event in board.Scalars("value/q")] == [
        int(row["step"]) for row in metrics(whole) if row["q"]
    ]


@pytest.mark.parametrize("changed", [True, False])
def test_rows_that_have_changed_since_the_checkpoint_are_noticed(
    changed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A digit in a row that the checkpoint covers; rows after it are cut anyway."""
    assert tiny("run", *PICK, "--total-steps", "160") == 0
    rows = Path("run", logger.CSV)
    step = metrics(Path("run"))[0]["step"]
    damaged = rows.read_text().replace(f"\n{step},", f"\n{int(step) + 1},", 1) if changed else rows.read_text() + "9"
    rows.write_text(damaged)
    assert run("--resume", "run", "--total-steps", "240") == 0
    assert ("not all of its rows are the run's" in " ".join(capsys.readouterr().out.split())) == changed


def test_an_environment_that_cannot_be_saved_drops_its_open_episodes_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 240, stop)
        assert tiny("run", "--env-id", "PointMaze_UMaze-v3", "--total-steps", "480") == 143
    assert run("--resume", "run") == 0
    said = capsys.readouterr().out
    assert "PointMaze_UMaze-v3 cannot be saved in mid-episode: the open episodes were dropped." in said
    assert [row["step"] for row in metrics(Path("run"))] == ["80", "160", "200", "240", "320", "400", "480"]
    ring = saved_state(Path("run"))["trainer"]["ring"]
    ends = ring["tables"]["end"].view(-1, 8)
    assert ends[:31].eq(30).all() and ends[31:].eq(-1).all(), "30 steps, then a new episode that is still open"


@pytest.mark.parametrize(
    "mistake",
    [lambda s: s.pop("training_state"), lambda s: s["trainer"]["ring"].update(shape=(1, 1))],
    ids=["part", "shape"],
)
def test_a_checkpoint_that_does_not_fit_its_run_is_refused(
    whole: Path, mistake: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture
) -> None:
    folder = Path("run")
    (folder / "resume").mkdir(parents=True)
    (folder / run_folder.CONFIG).write_bytes((whole / run_folder.CONFIG).read_bytes())
    state = checkpoint.load(whole / checkpoint.RESUME, "cpu")
    mistake(state)
    checkpoint.save(state, folder / checkpoint.RESUME)
    assert run("--resume", "run") == 2
    assert "resume/state.pt does not fit config.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("versions.json", '{"torch": '),
        ("versions.json", "[1, 2]"),
        ("metrics.csv", "step,updates\n80,x\n"),
        ("metrics.csv", "step,uqdates\n80,1\n"),
        ("config.json", {"env_id": 5}),
        ("config.json", {"hidden_width": 256.5}),
        ("config.json", {"gamma": 0.9}),  # which is valid, and not what the run had
        ("config.json", "gamma"),
        ("config.json", "goal_motion"),  # which older versions did not have, and this one did
    ],
)
def test_a_damaged_file_is_named_before_anything_is_written(
    name: str, content: str | dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A dict replaces values of config.json, and a word is a key that it loses."""
    assert tiny("run", *PICK, "--total-steps", "160") == 0
    if name == "config.json":
        saved = json.loads(Path("run", name).read_text())
        changed = content if isinstance(content, dict) else {}
        content = json.dumps({key: value for key, value in saved.items() if key != content} | changed)
    Path("run", name).write_text(str(content))
    before = {path: path.read_bytes() for path in Path("run").glob("*") if path.is_file()}
    capsys.readouterr()
    assert run("--resume", "run", "--total-steps", "240") == 2
    error = capsys.readouterr().err
    assert error.startswith("train.py: run") and name in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in Path("run").glob("*") if path.is_file()} == before


def test_a_resume_may_save_log_film_and_evaluate_as_often_as_it_likes(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 608, stop)
        assert tiny("run", *PICK) == 128 + signal.SIGTERM
    flags = ("--save-every", "400", "--save-minutes", "1", "--log-every", "160", "--eval-every", "320", "--no-video")
    assert run("--resume", "run", *flags) == 0
    learned = [saved_state(folder)["trainer"]["learner"] for folder in (Path("run"), whole)]
    assert differences(*learned) == []
    assert run("--resume", "run", "--eval-episodes", "3") == 2
