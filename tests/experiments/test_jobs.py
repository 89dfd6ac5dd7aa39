"""Runs of an experiment as jobs: what is left to do, what goes on, and what fails."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from experiments import evidence, run
from experiments.jobs import Job, Jobs, set_aside
from experiments.table import EXPERIMENTS
from tests.experiments.test_experiments import SLOW, TINY, make_result
from tests.training.runs import saved_state
from training.calls import interpreter
from training.run_folder import Lock


def test_what_was_killed_before_its_first_checkpoint_is_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "seed-0"
    lock = Lock(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(Exception, match="alive"):
        set_aside(folder)
    lock.file.close()
    set_aside(folder)
    assert not folder.exists()
    assert (tmp_path / "seed-0.killed-1" / "config.json").exists()


def test_a_seed_that_fails_does_not_hold_up_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "train.py"
    failing.write_text("print('first'); print('it broke'); raise SystemExit(1)")
    monkeypatch.setattr("experiments.jobs.TRAIN", failing)
    config = EXPERIMENTS["reach-state"].config(["--total-steps", "1000"])
    good, bad = make_result(tmp_path, 0, SLOW, success=0.9), tmp_path / "seed-1"
    assert Jobs([Job(1, bad, (), config), Job(0, good, (), config)], 2, "reach-state", tmp_path / "results").run() == 1
    assert "seed 1 failed: train.py ended with exit code 1 (it broke)" in capsys.readouterr().err
    assert (tmp_path / "results" / "reach-state" / "seed-0" / "eval.json").exists()


def test_commands_are_printed_for_what_is_left_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "my runs"
    done, stopped = runs / "reach-state" / "seed-0", runs / "reach-state" / "seed-1"
    for seed, folder in enumerate((done, stopped)):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(EXPERIMENTS["reach-state"].config(["--seed", str(seed)]).to_json())
    (done / "eval.json").write_text('{"env_steps": 2000}')
    (stopped / "resume").mkdir()
    (stopped / "resume" / "state.pt").touch()
    before = sorted(tmp_path.rglob("*"))
    where = ["--runs", str(runs), "--results", str(tmp_path / "results")]
    assert run.main(["reach-state", "--seeds", "0", "1", "2", "--print-commands", *where, "--", "--gamma", "0.9"]) == 2
    capsys.readouterr()
    assert run.main(["reach-state", "--seeds", "0", "1", "2", "--print-commands", *where]) == 0
    lines, python = capsys.readouterr().out.splitlines(), shlex.split(interpreter())
    assert [shlex.split(line) for line in lines] == [
        [*python, "train.py", "--resume", str(stopped)],
        [*python, "train.py", "reach", "--seed", "2", "--run-dir", str(runs / "reach-state" / "seed-2")],
    ]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_lost_replay_is_one_run_in_two_parts(tmp_path: Path) -> None:
    """Its second part fills an empty replay again before it learns, and a half-done run is not begun anew."""
    folder, results = tmp_path / "run" / "seed-0", tmp_path / "results"
    arguments = ["reach", *TINY, "--run-dir", str(folder)]
    config = EXPERIMENTS["reach-state"].config(TINY)
    job = Job(0, folder, tuple(arguments), config, replay_lost_at=160)
    first, second = job.to_do()
    assert "--resume-without-replay" in second and "--resume-without-replay" not in first

    class OneOnly(Jobs):
        def _end(self, *entry) -> None:
            super()._end(*entry)
            self.waiting.clear()

    assert OneOnly([job], 2, "reach-state", results).run() == 0
    assert job.half_done() and job.to_do() == [second] and evidence.replay_began(folder) == 0
    updates = saved_state(folder)["training_state"]["updates"]
    assert Jobs([job], 2, "reach-state", results).run() == 0
    assert evidence.is_finished(folder, config) and evidence.replay_began(results / "reach-state" / "seed-0") == 160
    state = saved_state(folder)
    assert state["trainer"]["ring"]["cursors"]["added"].sum() == 80  # of 240 steps
    # The replay was empty for the 80 steps in which the run does not learn.
    assert state["training_state"]["updates"] == updates
    assert job.to_do() == [["--resume", str(folder)]]


def test_a_run_that_kept_its_replay_is_no_lost_replay_nor_the_other_way_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for began, name in ((0, "lost-replay"), (24_000, "step-2"), (12_000, "lost-replay")):
        folder = tmp_path / f"{name}-{began}"
        folder.mkdir()
        for file in evidence.FILES:
            (folder / file).write_text("{}")
        (folder / "config.json").write_text(EXPERIMENTS["step-2"].config().to_json())
        (folder / "eval.json").write_text(json.dumps({"env_steps": 48_000, "replay_began": began}))
        assert run.main([name, "--results", str(tmp_path / "results"), "--collect", str(folder)]) == 2
        assert f"its replay began at step {began}" in capsys.readouterr().err
    assert run.main(["lost-replay", "--runs", str(tmp_path / "runs"), "--", "--total-steps", "12000"]) == 2
    assert "the replay is lost at 24000 only" in capsys.readouterr().err
