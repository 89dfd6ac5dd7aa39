"""Named experiments: what is run, what is kept, and the numbers drawn from it."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from analysis import curves
from experiments import evidence, plot, run, summary
from experiments.table import EXPERIMENTS
from training.config import memory
from training.config.memory import run_needs
from training.errors import UserError

ROOT = Path(__file__).parents[2]
TINY = ["--total-steps", "240", "--learning-starts", "80", "--batch-size", "16", "--buffer-size", "1000",
        "--eval-every", "80", "--log-every", "40", "--eval-episodes", "2", "--final-episodes", "2", "--no-video",
        "--workers", "0", "--hidden-width", "16"]  # fmt: skip

# step, updates, seconds, success of the evaluation, environment steps a second
Rows = list[tuple[float, float, float, float | None, float]]
SLOW: Rows = [(100, 0, 1, 0.0, 900), (200, 50, 2, 0.2, 10), (300, 150, 4, 0.9, 30), (350, 200, 5, None, 40),
        (400, 250, 7, 0.6, 20), (500, 350, 9, 0.9, 50), (600, 450, 11, 1.0, 60)]  # fmt: skip
NEVER: Rows = [(100, 0, 1, 0.0, 900), (300, 150, 4, 0.1, 30), (500, 350, 9, 0.0, 50), (600, 450, 11, 0.1, 60)]


def make_result(results: Path, seed: int, rows: Rows, success: float) -> Path:
    """Evidence of reach-state over 1000 steps."""
    config = EXPERIMENTS["reach-state"].config(["--total-steps", "1000", "--seed", str(seed)])
    folder = results / "reach-state" / f"seed-{seed}"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json())
    (folder / "versions.json").write_text('{"threads": 1}')
    ever = min(1.0, success + 0.2)
    final = {"success_rate": success, "ever_success_rate": ever, "episodes": 10, "env_steps": 1000, "updates": 800,
             "wall_seconds": 60.0}  # fmt: skip
    (folder / "eval.json").write_text(json.dumps(final))
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "updates", "seconds", "eval_success", "steps_per_second"])
        writer.writerows([("" if value is None else value for value in row) for row in rows])
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("eval.json", '"success_rate": 0.9', '"success_rate": "0.9"'),
        ("eval.json", '"success_rate": 0.9', '"success_rate": NaN'),
        ("eval.json", '"success_rate": 0.9', '"success_rate": 9.0'),
        ("eval.json", '"episodes": 10', '"episodes": 0'),
        ("eval.json", '"wall_seconds": 60.0', '"wall_seconds": null'),
        ("eval.json", '"updates"', '"updatez"'),
        ("metrics.csv", "seconds", "sfconds"),
        ("metrics.csv", "300,150,4,0.9", "300,150,4,93"),
        ("metrics.csv", "300,150,4", "300,,4"),
        ("metrics.csv", "500,350", "100,350"),
        ("metrics.csv", "600,450", "inf,450"),
    ],
)
def test_numbers_that_cannot_be_true_are_refused_and_replace_nothing(
    file: str, old: str, new: str, tmp_path: Path
) -> None:
    good, bad = (make_result(tmp_path / name, 0, SLOW, success=0.9) for name in ("good", "bad"))
    text = (bad / file).read_text()
    assert text.count(old) == 1
    (bad / file).write_text(text.replace(old, new))
    before = (good / file).read_text()
    with pytest.raises(UserError, match="run its seed again"):
        evidence.read(tmp_path / "bad", "reach-state")
    with pytest.raises(UserError, match="run its seed again"):
        evidence.copy(bad, tmp_path / "good", "reach-state")
    assert (good / file).read_text() == before and sorted(path.name for path in good.parent.iterdir()) == ["seed-0"]


def test_numbers_of_a_seed_counted_by_hand(tmp_path: Path) -> None:
    make_result(tmp_path, 0, SLOW, success=0.9)
    numbers = summary.numbers_of(evidence.read(tmp_path, "reach-state")[0])
    # 0.9 at 300 is followed by 0.6, so 90% is reached at 500; 50% at 300 already; 95% once only, at the very end.
    assert (numbers["steps_to_50"], numbers["seconds_to_50"]) == (300, 4)
    assert (numbers["steps_to_90"], numbers["seconds_to_90"]) == (500, 9)
    assert numbers["steps_to_95"] == numbers["seconds_to_95"] == math.inf
    # Smoothed: 0, 1.1/3, 1.7/3, 2.4/3, 2.5/3, 1. Steepest between the first two, 100 and 200.
    assert numbers["inflection_step"] == 150
    assert [numbers[f"success_in_bucket_{b}"] for b in range(1, 7)] == [0.0, 0.2, 0.9, 0.6, 0.9, 1.0]
    assert all(math.isnan(numbers[f"success_in_bucket_{b}"]) for b in range(7, 11))
    # Only the row at 400 follows one without an evaluation.
    assert numbers["env_steps_per_second"] == 20
    assert (numbers["success"], numbers["best_evaluation"], numbers["updates"]) == (0.9, 1.0, 800)
    assert numbers["ci95_low"] == pytest.approx(0.595850, abs=1e-6)  # Wilson, 9 of 10
    assert numbers["ci95_high"] == pytest.approx(0.982124, abs=1e-6)


def test_inflection_is_in_the_middle_of_the_steepest_rise_and_noise_has_none() -> None:
    def at(*successes: float) -> float:
        return summary.inflection([(100.0 * (i + 1), success) for i, success in enumerate(successes)])

    assert at(0, 0, 0, 1, 1, 1) == 350  # smoothed 0 0 1/3 2/3 1 1: one rise from 200 to 500
    assert at(0, 0, 0.3, 0.9, 1, 1) == 350  # smoothed 0 0.1 0.4 0.73 0.97 1
    assert at(0.06, 0.1, 0.02, 0.08, 0.04, 0.1) == math.inf
    assert at(0.9, 0.5, 0.2, 0.0) == math.inf  # it only falls
    assert at(0.5) == math.inf
    assert at(0.0, 1.0) == 150


def test_an_evaluation_counts_in_the_bucket_in_which_it_was_due() -> None:
    config = EXPERIMENTS["reach-state"].config(["--total-steps", "5000", "--num-envs", "8"])
    means = summary.bucket_means([(504, 0.1), (1000, 0.2), (1504, 0.3), (5000, 0.4), (5007, 0.6)], config)
    assert means[:3] == [0.1, 0.2, 0.3]
    assert means[9] == 0.5


def test_a_seed_that_does_not_get_there_counts_as_infinity(tmp_path: Path) -> None:
    make_result(tmp_path, 0, SLOW, success=0.9)
    make_result(tmp_path, 2, NEVER, success=0.0)
    make_result(tmp_path, 10, NEVER, success=0.3)
    results = evidence.read(tmp_path, "reach-state")
    assert [result.config.seed for result in results] == [0, 2, 10]
    together = summary.over_seeds(results)
    assert together["success"] == pytest.approx(0.4)
    assert together["episodes"] == 30
    assert together["ci95_low"] == pytest.approx(0.245906, abs=1e-6)  # Wilson, 12 of 30
    assert together["steps_to_50"] == math.inf  # of 300, infinity, infinity
    rows = list(csv.DictReader(summary.to_csv(results).splitlines()))
    assert [row["seed"] for row in rows] == ["0", "2", "10", "all"]
    assert [row["steps_to_50"] for row in rows] == ["300", "not reached", "not reached", "not reached"]
    assert "| 2 | 0.0% [0.0%, 27.8%] | 20.0% | 10.0% | not reached |" in summary.to_markdown("reach-state", "", results)
    # Seed 0 alone was evaluated at 200 and 400: the mean curve has what all have.
    evaluations = [curves.curve(result.rows, "eval_success") for result in results]
    assert curves.shared_steps(evaluations) == [100, 300, 500, 600]


def test_plot_writes_the_same_tables_again(tmp_path: Path) -> None:
    make_result(tmp_path, 0, SLOW, success=0.9)
    make_result(tmp_path, 1, NEVER, success=0.0)
    written = []
    for _ in range(2):
        assert plot.main(["reach-state", "--results", str(tmp_path)]) == 0
        folder = tmp_path / "reach-state"
        written.append([(folder / name).read_bytes() for name in ("summary.csv", "summary.md", "curve.png")])
    assert written[0] == written[1]
    assert written[0][2].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["run", "push-stat"], "did you mean push-state"),
        (["run", "reach-state", "--seeds", "1", "1"], "different numbers"),
        (["run", "reach-state", "--jobs", "0"], "at least 1"),
        (["run", "reach-state", "--", "--seed", "3"], "use --seeds"),
        (["run", "reach-state", "--", "--gamma", "2"], "--gamma is 2"),
        (["run", "reach-state", "--collect", "nowhere"], "not the folder of a run"),
        (["plot", "push-stat"], "did you mean push-state"),
        (["plot", "reach-state", "--results", "nowhere"], "python -m experiments.run reach-state"),
        (["plot", "reach-state", "--out", "curve.jpg"], ".png"),
    ],
)
def test_bad_input_is_one_sentence(
    command: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = {"run": run, "plot": plot}[command[0]]
    assert module.main(command[1:]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_results_of_two_configurations_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_result(tmp_path, 0, SLOW, success=0.9)
    folder = make_result(tmp_path, 1, SLOW, success=0.9)
    config = EXPERIMENTS["reach-state"].config(["--total-steps", "1000", "--seed", "1", "--gamma", "0.9"])
    (folder / "config.json").write_text(config.to_json())
    assert plot.main(["reach-state", "--results", str(tmp_path)]) == 2
    assert "--gamma is 0.9, not 0.95" in capsys.readouterr().err
    assert run.main(["reach-state", "--results", str(tmp_path), "--", "--total-steps", "500"]) == 2
    assert "--total-steps is 1000, not 500" in capsys.readouterr().err


def test_what_may_differ_between_runs_of_one_experiment() -> None:
    config = EXPERIMENTS["push-state"].config()
    other = dataclasses.replace(config, seed=3, run_dir="/elsewhere", workers=0, device="cpu", video=False)
    assert evidence.differences(other, config) == []
    assert evidence.differences(dataclasses.replace(config, total_steps=5), config) == [
        f"--total-steps is 5, not {config.total_steps}"
    ]


def test_a_run_from_start_to_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["reach-state", "--seeds", "7", "--jobs", "2", "--results", str(tmp_path / "results"),
                 "--runs", str(tmp_path / "runs"), "--", *TINY]  # fmt: skip
    command = [sys.executable, "-m", "experiments.run", *arguments]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert first.returncode == 0, first.stderr
    kept = tmp_path / "results" / "reach-state" / "seed-7"
    names = {path.name for path in kept.iterdir()}
    assert names == {"config.json", "versions.json", "metrics.csv", "eval.json", "conditions.json"}
    [result] = evidence.read(tmp_path / "results", "reach-state")
    assert (result.config.seed, result.config.total_steps, result.runs_at_once) == (7, 240, 1)

    metrics = tmp_path / "runs" / "reach-state" / "seed-7" / "metrics.csv"
    before = metrics.stat().st_mtime_ns
    assert run.main(arguments) == 0
    assert "finished already" in capsys.readouterr().out
    assert metrics.stat().st_mtime_ns == before

    other = ["--runs", str(tmp_path / "other runs")]  # where nothing is, and results of that seed are there
    assert run.main([*arguments[: -len(TINY) - 3], *other, "--", *TINY]) == 2
    assert f"{kept} holds results of another run: say --overwrite" in capsys.readouterr().err
    (kept / "metrics.csv").write_text("step\n1\n")
    collected = ["reach-state", "--results", str(tmp_path / "results"), "--collect", str(metrics.parent)]
    assert run.main([*collected, "--", *TINY]) == 2
    assert run.main([*collected, "--overwrite", "--", *TINY]) == 0
    assert (kept / "metrics.csv").read_bytes() == metrics.read_bytes()


def test_runs_that_do_not_fit_side_by_side_are_not_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    need = run_needs(EXPERIMENTS["reach-pixels"].config(), cpu)[cpu]
    monkeypatch.setattr(run, "torch_device", lambda name: cpu)
    monkeypatch.setattr(memory, "available_bytes", lambda device: 2 * need + 1)
    where = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    assert run.main(["reach-pixels", "--seeds", "0", "1", "2", "--jobs", "3", *where]) == 2
    error = capsys.readouterr().err
    assert "3 runs at once need about" in error and "on cpu: --jobs 2 would fit." in error
    assert list(tmp_path.iterdir()) == []


def test_a_replay_beside_a_gpu_is_counted_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    monkeypatch.setattr(memory, "shares_memory", lambda device: device == cpu)
    config = EXPERIMENTS["push-pixels"].config()
    pixels = config.buffer_size * 84 * 84 * 3 * len(config.cameras)
    there, here = run_needs(config, gpu), run_needs(dataclasses.replace(config, replay_device="cpu"), gpu)
    assert there[gpu] > pixels > there[cpu] and here[gpu] < pixels < here[cpu]
    assert sum(there.values()) == sum(here.values()) == run_needs(config, cpu)[cpu]
