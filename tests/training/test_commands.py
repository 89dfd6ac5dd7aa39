"""`train.py` and `eval.py` as a user runs them: processes of their own, nothing replaced."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import imageio
import pytest

import envs
import eval as evaluation
import train
from analysis import compare
from tests.training.runs import ROOT, TINY, metrics, saved_state, tiny, tree
from training import checkpoint, finish, logger, run_folder

AGAIN = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'train.py'))} --resume"  # can be copied as it stands


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A script by its file, or a module by its name."""
    line = [sys.executable, *([str(ROOT / script)] if script.endswith(".py") else ["-m", script]), *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def call(script: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    process = start(script, *arguments)
    out, error = process.communicate()
    return process.returncode, out, error


def wait_for_rows(process: subprocess.Popen[str], rows: int) -> None:
    deadline = time.monotonic() + 120
    while not Path("run", logger.CSV).exists() or len(metrics(Path("run"))) < rows:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("library", "reason"), [("nothing", "No module named 'mujoco.nothing'"), ("glfw", "")])
def test_without_a_gl_library_only_the_film_is_left_out(
    library: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though MUJOCO_GL names one, which MuJoCo looks for when it is imported. (glfw has no screen to render on.)"""
    monkeypatch.setenv("MUJOCO_GL", library)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    film = [flag for flag in TINY if flag != "--no-video"]
    code, out, error = call("train.py", "reach", *film, "--total-steps", "96", "--run-dir", "state")
    assert code == 0 and "skipped: Nothing can be rendered" in out and "Traceback" not in error
    code, _, error = call("train.py", "push-pixels", *TINY, "--run-dir", "pixels")
    sentence = f"train.py: Nothing can be rendered with MUJOCO_GL={library} ({reason}"
    assert code == 2 and sentence in error and "Traceback" not in error and not Path("pixels").exists()


def test_a_hand_is_trained_by_its_id() -> None:
    """20 actions, a goal of 15 numbers, no object to be guided to, rewards from its own compute_reward."""
    flags = ("--env-id", "HandReach-v3", "--num-envs", "2", "--total-steps", "160", "--final-episodes", "10")
    assert tiny("hand", *flags) == 0
    result = json.loads(Path("hand", finish.EVAL).read_text())
    assert result["env_steps"] == 160 and result["updates"] == 20 and result["episodes"] == 10
    assert float(metrics(Path("hand"))[-1]["critic_loss"]) > 0


def test_reach_learns_and_is_evaluated_and_filmed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """To more than 90% in 1,600 steps, and all that a run promises is there. (100% from 1,200 steps on, as a rule.)"""
    code, out, error = call(
        "train.py", "reach", "--total-steps", "1600", "--run-dir", "reach", "--batch-size", "128", "--eval-episodes",
        "10", "--final-episodes", "50",
    )  # fmt: skip
    assert (code, error) == (0, "")
    result = json.loads(Path("reach", finish.EVAL).read_text())
    assert result["success_rate"] >= 0.9 and result["episodes"] == 50 and result["env_steps"] == 1600
    assert result["ci95"][0] < result["success_rate"] <= result["ci95"][1] <= 1
    table = out[out.index("│ success ") :]
    low, high = result["ci95"]
    assert (
        f"{result['success_rate']:.1%} [{low:.1%}, {high:.1%}] of 50 episodes" in table
        and f"{result['steps_to_90']} steps" in table
    )
    assert "reach/video.mp4" in table
    assert checkpoint.load(Path("reach/model.pt"), "cpu")["step"] == 1600 and Path("reach/best.pt").exists()
    assert metrics(Path("reach"))[-1]["step"] == "1600" and run_folder.saved_config(Path("reach")).preset == "reach"
    assert json.loads(Path("reach/versions.json").read_text()).keys() >= {"torch", "mujoco", "commit", "threads"}
    before = tree(Path("reach"))

    monkeypatch.setattr(evaluation, "FILMED", 1)  # a second long film would tell no more
    assert evaluation.main(["reach", "--json", "--episodes", "20", "--video", "film/reach.mp4"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again.keys() >= {"success_rate", "ci95", "episodes"} and again["episodes"] == 20
    assert again["success_rate"] >= 0.8 and again["video"] == "film/reach.mp4"
    assert tree(Path("reach")) == before, "evaluating changes nothing"
    for film, episodes in (("reach/video.mp4", finish.FILMED), ("film/reach.mp4", 1)):
        with imageio.get_reader(film) as reader:
            assert cast(Any, reader).count_frames() == episodes * 51


@pytest.mark.parametrize(
    ("script", "module"),
    [("train.py", "torch"), ("eval.py", "tyro"), ("experiments.run", "tyro"), ("analysis.filmstrip", "torch")],
)
def test_ctrl_c_while_modules_are_imported_ends_quietly(
    script: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of the first heavy one stands a module whose import never ends."""
    Path(f"{module}.py").write_text("import time; print('importing', flush=True); time.sleep(100)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    process = start(script)
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "") and process.returncode == 130


def test_a_mistake_is_a_sentence_on_standard_error() -> None:
    code, out, error = call("train.py", "push", "--gamma", "nan")
    assert (code, out) == (2, "") and error.startswith("train.py: --gamma is nan") and error.count("\n") == 1
    assert os.listdir() == []


@pytest.mark.parametrize("script", ["train.py", "eval.py"])
def test_the_version_is_told_and_nothing_else_is_done(script: str) -> None:
    """As pyproject.toml has it, read here as text."""
    project = (ROOT / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    assert call(script, "--version") == (0, f"pixel-push {version}\n", "")
    assert os.listdir() == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert tiny(folder, "--env-id", "FetchReach-v4", "--total-steps", "160") == 0
    return folder


@pytest.fixture
def trained(finished: Path) -> Path:
    return Path(shutil.copytree(finished, "run"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("missing", "missing is not the folder of a run"),
        ("run --episodes 0", "--episodes is 0: ask for at least 1"),
        ("run --seed -1", "--seed is -1: it must lie between 0 and 2147479551."),
        ("run --video film.gif", "--video is film.gif: name a file that ends in .mp4."),
        ("run --video run/model.pt/film.mp4", "run/model.pt/film.mp4 cannot be written"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    line: str, complaint: str, trained: Path, capsys: pytest.CaptureFixture
) -> None:
    before = tree(trained)
    assert evaluation.main(line.split()) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"eval.py: {complaint}") and said.err.count("\n") == 1
    assert said.out in ("", "filming 5 episodes ...\n")
    assert tree(trained) == before


@pytest.mark.parametrize("wrong", [{"total_steps": -5}, {"num_envs": 0}, {"proprio_indices": "0:x"}])
def test_a_configuration_that_contradicts_itself_is_no_runs(
    wrong: dict[str, object], trained: Path, capsys: pytest.CaptureFixture
) -> None:
    config = json.loads((trained / run_folder.CONFIG).read_text())
    (trained / run_folder.CONFIG).write_text(json.dumps(config | wrong))
    for command, given in ((evaluation, ["run"]), (compare, ["run"]), (train, ["--resume", "run"])):
        assert command.main(given) == 2
        error = capsys.readouterr().err
        assert f"no run has: --{next(iter(wrong)).replace('_', '-')}" in error and error.count("\n") == 1


def test_a_model_of_other_networks_is_refused(trained: Path, capsys: pytest.CaptureFixture) -> None:
    config = json.loads((trained / run_folder.CONFIG).read_text())
    (trained / run_folder.CONFIG).write_text(json.dumps(config | {"hidden_width": 32}))
    assert evaluation.main(["run"]) == 2
    assert capsys.readouterr().err == "eval.py: run/model.pt does not fit config.json.\n"


def test_without_a_gl_library_a_film_is_refused_before_anything_is_played(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def record(*_: Any, **__: Any) -> None:
        raise envs.RenderError("Nothing can be rendered: apt-get install libegl1")

    monkeypatch.setattr(envs, "record", record)
    monkeypatch.setattr(evaluation, "evaluate", lambda *_: pytest.fail("it was played"))
    assert evaluation.main(["run", "--video", "film.mp4"]) == 2
    assert capsys.readouterr().err == "eval.py: Nothing can be rendered: apt-get install libegl1\n"


def test_success_is_printed_with_its_interval(trained: Path, capsys: pytest.CaptureFixture) -> None:
    """Wilson's, from the two bounds that solve (p - q)^2 = z^2 q (1 - q) / n for q."""
    capsys.readouterr()
    assert evaluation.main(["run", "--episodes", "3"]) == 0
    found = re.search(r"success_rate +│ ([\d.]+)% \[([\d.]+)%, ([\d.]+)%\]", capsys.readouterr().out)
    assert found is not None
    success, *bounds = (float(number) / 100 for number in found.groups())
    a, b, c = 1 + 1.959964**2 / 3, -2 * success - 1.959964**2 / 3, success**2
    solutions = [(-b + sign * (b * b - 4 * a * c) ** 0.5) / (2 * a) for sign in (-1, 1)]
    assert bounds == pytest.approx(solutions, abs=6e-4)


def test_a_run_on_a_gpu_is_evaluated_without_one(trained: Path, capsys: pytest.CaptureFixture) -> None:
    config = json.loads((trained / run_folder.CONFIG).read_text())
    (trained / run_folder.CONFIG).write_text(json.dumps(config | {"device": "cuda:31"}))
    capsys.readouterr()
    assert evaluation.main(["run", "--json", "--episodes", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 2


def test_a_reader_that_leaves_stops_the_run_with_a_checkpoint() -> None:
    """As `train.py reach | head -1` does."""
    process = start(
        "train.py", "reach", *TINY, "--total-steps", "1000000", "--save-every", "1000000", "--run-dir", "run"
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait(timeout=120) == 128 + signal.SIGPIPE
    step = saved_state(Path("run"))["training_state"]["step"]
    assert error == f"stopped at step {step}; continue with: {AGAIN} run\n" and step > 0


def test_a_run_that_is_killed_before_its_first_save_is_due_can_be_resumed() -> None:
    process = start("train.py", "reach", *TINY, "--total-steps", "480", "--save-every", "1000000", "--run-dir", "run")
    wait_for_rows(process, 2)
    process.kill()
    process.communicate()
    assert saved_state(Path("run"))["training_state"]["step"] == 0
    assert call("train.py", "--resume", "run")[0] == 0
    assert call("train.py", "reach", *TINY, "--total-steps", "480", "--run-dir", "whole")[0] == 0
    assert metrics(Path("run")) == metrics(Path("whole"))
