"""Whole runs from pixels: resumed, with and without their images, and tried out by --smoke."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import train
from replay import Batch
from tests.training.runs import at_step, differences, metrics, run, saved_state, stop, tree
from tests.training.test_resume import Killed, kill
from training import finish, run_folder
from training.config import cli
from training.config.flags import Config
from training.config.presets import PRESETS
from training.config.validation import problems
from training.rollout.collector import Collector
from training.smoke import smoke
from training.trainer import Trainer

# A ring that wraps, two images stacked, several goals and updates for each pass of the encoder.
SIGHT = ["push-pixels", "--workers", "0", "--threads", "1", "--num-envs", "2", "--learning-starts", "40",
         "--batch-size", "8", "--hidden-width", "16", "--updates-per-step", "0.125", "--updates-per-encoding", "2",
         "--goals-per-image", "2", "--frame-stack", "2", "--shift-pad", "1", "--buffer-size", "160",
         "--eval-every", "400", "--eval-episodes", "2", "--final-episodes", "2", "--log-every", "40", "--no-video",
         "--device", "cpu"]  # fmt: skip


def learned(folder: str, *flags: str) -> int:
    return run(*SIGHT, "--run-dir", folder, *flags)


def sampled(*flags: str) -> list[Batch]:
    """An update's batches, after some steps that are the same whatever the flags."""
    trainer = Trainer(cli.parse([*SIGHT, "--updates-per-encoding", "3", "--goals-per-image", "1", *flags]))
    trainer.start()
    for _ in range(30):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    (batches,) = trainer.updates.batches(1)
    trainer.close()
    return [trainer.learner.shift(batch) for batch in batches]


def test_each_update_of_the_heads_has_goals_of_its_own_for_the_same_images() -> None:
    first, *others = sampled("--goal-input", "concat", "--no-goal-motion")
    assert len(others) == 2
    for other in others:
        assert other.obs["vector"].equal(first.obs["vector"]) and other.action.equal(first.action)
        assert not other.goal.equal(first.goal)
    assert not others[0].goal.equal(others[1].goal)


def test_the_learner_shifts_as_the_flags_say() -> None:
    """Shifts of the same transitions: none, by one offset for both images, by one for each."""
    still = sampled("--shift-pad", "0")[0]
    shared, own = sampled("--shift-pad", "4", "--shared-shift")[0], sampled("--shift-pad", "4")[0]
    for other in (shared, own):
        assert other.obs["vector"].equal(still.obs["vector"]) and other.goal.equal(still.goal)
    first, second, third = (batch.obs["pixels"] for batch in (still, shared, own))
    next_first, next_second, next_third = (batch.next_obs["pixels"] for batch in (still, shared, own))
    assert not third.equal(first) and not next_third.equal(next_first)
    assert second.equal(third)  # by the same offsets, sampled first
    assert not next_second.equal(next_third) and not next_second.equal(next_first)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_stopped_run_goes_on_bit_for_bit(on_disk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where workers give way, and updates behind the encoder have fewer threads; by any number of workers."""
    where = ["--replay-on-disk", "--threads", "2"] if on_disk else []
    assert learned("whole", "--total-steps", "240", *where, *(["--workers", "1"] if on_disk else [])) == 0
    with monkeypatch.context() as patch:
        at_step(patch, 190, stop)
        assert learned("run", "--total-steps", "240", *where) == 128 + 15
    assert Path("run/replay.pixels").exists() == on_disk
    assert run("--resume", "run") == 0
    assert metrics(Path("run")) == metrics(Path("whole"))
    assert differences(saved_state(Path("run")), saved_state(Path("whole"))) == []
    assert ("pixels" in saved_state(Path("run"))["trainer"]["ring"]["tables"]) != on_disk


@pytest.mark.parametrize("where", [["--workers", "0"], ["--workers", "1", "--render-process"]])
def test_evaluations_leave_no_trace_in_the_environments_that_they_share_with_the_training(where: list[str]) -> None:
    shares = []

    def look(run: train.Run) -> None:
        shares.append(run.trainer.eval_envs is run.trainer.train_envs)

    often = ["--eval-every", "60"]  # in the middle of an episode
    for folder, how in (("often", often), ("never", [])):
        with pytest.MonkeyPatch.context() as patch:
            at_step(patch, 20, look)
            assert learned(folder, "--total-steps", "100", "--frame-stack", "1", *where, *how) == 0
    assert shares == [True, True]
    one, other = (saved_state(Path(folder))["trainer"] for folder in ("often", "never"))
    assert differences(one, other) == []


def test_a_run_resumed_without_its_replay_waits_until_there_is_one(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the book, whose script told SB3 to take its random steps (learning_starts) again after the resume."""
    explored: list[bool] = []
    begin_step = Collector.begin_step

    def begun(self: Collector, explore_only: bool) -> None:
        explored.append(explore_only)
        begin_step(self, explore_only)

    monkeypatch.setattr(Collector, "begin_step", begun)
    assert learned("run", "--total-steps", "120") == 0
    assert explored == [True] * 20 + [False] * 40
    before = saved_state(Path("run"))["training_state"]["updates"]
    assert run("--resume", "run", "--total-steps", "240", "--resume-without-replay") == 0
    assert "The replay starts empty: the open episodes were dropped." in capsys.readouterr().out
    rows = {int(row["step"]): int(row["updates"]) for row in metrics(Path("run"))}
    assert rows[160] == before < rows[200] < rows[240]  # 40 steps without an update again
    assert explored[60:] == [True] * 20 + [False] * 40
    ring = saved_state(Path("run"))["trainer"]["ring"]
    assert int(ring["cursors"]["added"].sum()) == 120
    assert not run_folder.saved_config(Path("run")).resume_without_replay


def test_images_that_are_gone_are_missed_in_a_sentence(capsys: pytest.CaptureFixture) -> None:
    assert learned("run", "--total-steps", "120", "--replay-on-disk") == 0
    pixels, numbers = Path("run/replay.pixels"), Path("run/replay.pixels.numbers")
    whole, kept = pixels.read_bytes(), numbers.read_bytes()
    damages: list[Callable[[], object]] = [
        lambda: pixels.write_bytes(whole[:-1]), lambda: numbers.write_bytes(kept[:-8]), numbers.unlink, pixels.unlink,
    ]  # fmt: skip
    for damage in damages:
        pixels.write_bytes(whole)
        numbers.write_bytes(kept)
        damage()
        capsys.readouterr()
        assert run("--resume", "run", "--total-steps", "240") == 2
        said = capsys.readouterr().err
        assert said.startswith("train.py: run/replay.pixels is ") and said.count("\n") == 1
        assert "--resume-without-replay" in said
    assert run("--resume", "run", "--total-steps", "240", "--resume-without-replay") == 0


def test_flipped_bits_of_stored_images_are_noticed_before_anything_is_written(capsys: pytest.CaptureFixture) -> None:
    """100 of them, at random places; the images of the newest observations, which the checkpoint has, are spared."""
    assert learned("run", "--total-steps", "120", "--replay-on-disk") == 0
    file, spared = Path("run/replay.pixels"), saved_state(Path("run"))["trainer"]["ring"]["cursors"]["newest"]
    images = np.fromfile(file, np.uint8).reshape(Path(f"{file}.numbers").stat().st_size // 8, -1)
    stored = int(spared.max()) * len(spared)  # rows of all observations before the newest
    generator = np.random.default_rng(0)
    rows, bytes_, bits = (generator.integers(high, size=100) for high in (stored, images.shape[1], 8))
    np.bitwise_xor.at(images, (rows, bytes_), (1 << bits).astype(np.uint8))
    images.tofile(file)
    capsys.readouterr()
    before = tree(Path("run"))
    assert run("--resume", "run", "--total-steps", "240") == 2
    said = capsys.readouterr().err
    assert f"train.py: {len(set(rows.tolist()))} of " in said and "run/replay.pixels are not what was stored" in said
    assert said.count("\n") == 1 and "--resume-without-replay goes on" in said
    assert tree(Path("run")) == before
    assert run("--resume", "run", "--total-steps", "240", "--resume-without-replay") == 0


@pytest.mark.parametrize(("killed", "left"), [(180, 18), (240, 0)], ids=["within a ring's length", "beyond it"])
def test_a_run_killed_after_its_images_were_overwritten_fills_the_replay_again(
    killed: int, left: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The checkpoint is of step 120, and a ring's length 80 steps: it learns once 40 transitions are there again."""
    disk = ["--replay-on-disk", "--buffer-size", "80", "--save-every", "120", "--log-every", "2"]
    with monkeypatch.context() as patch:
        at_step(patch, killed, kill)
        with pytest.raises(Killed):
            learned("run", *disk, "--total-steps", "300")
    before = saved_state(Path("run"))
    cursors = before["trainer"]["ring"]["cursors"]
    assert before["training_state"]["step"] == 120
    assert run("--resume", "run", "--total-steps", "200") == 0
    dropped = int((cursors["added"] - cursors["lost"]).sum()) - left
    assert (
        f"{dropped} stored transitions were dropped: steps after the checkpoint overwrote their images; the next "
        f"update waits for {40 - left} more, of random actions." in capsys.readouterr().out
    )
    updates = {int(row["step"]): int(row["updates"]) for row in metrics(Path("run"))}
    first = 120 + 40 - left  # as many steps are stored after this one
    assert updates[first] == before["training_state"]["updates"]
    assert updates[first + 8] == updates[first] + 1


def test_what_the_end_says_of_seeing() -> None:
    assert learned("run", "--total-steps", "100") == 0
    said = json.loads(Path("run", finish.EVAL).read_text())
    assert {"blindfold_success_rate", "another_image_success_rate", "position_rmse_cm"} <= said.keys()
    assert json.loads(Path("run", run_folder.VERSIONS).read_text())["gl_renderer"]


@pytest.mark.parametrize("preset", PRESETS)
def test_smoke_has_updates_an_evaluation_a_checkpoint_a_resume_and_a_film(preset: str) -> None:
    first, second = smoke(PRESETS[preset], Console(file=io.StringIO()))
    for config, updates in ((first, 30), (second, 60)):
        assert (config.total_steps - config.learning_starts) * config.updates_per_step >= updates
        assert config.eval_episodes and config.video and config.final_episodes
    assert second.resume == first.run_dir and second.total_steps > first.total_steps
    assert isinstance(first, Config) and first.preset == preset


@pytest.mark.parametrize(
    "goals",
    [
        "--goal-noise 0 --goal-tries 1",
        "--goal-noise 0 --goal-tries 1 --goal-sampling skewed",
        "--latent-model spatial --prior-ratio 0",
        "--latent-model spatial --prior-ratio 0 --latent-warm-up 0",
        "--latent-conditional --prior-ratio 0",
    ],
)
def test_smoke_makes_no_flags_that_are_refused(goals: str) -> None:
    critic = "--routing critic --goal-loss 0 --goal-input off --no-goal-motion"
    config = cli.parse(f"push-pixels {critic} --goals latent {goals}".split())
    for part in smoke(config, Console(file=io.StringIO())):
        assert problems(part) == []


def test_smoke_runs_both_parts_and_ends_with_a_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("training.smoke.UPDATES", 4)
    monkeypatch.setattr(finish, "FILMED", 1)
    flags = [flag for flag in SIGHT if flag != "--no-video"]
    assert train.main([*flags, "--smoke", "--run-dir", "smoke"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "smoke test passed: push-pixels learns, stops, resumes, evaluates and films; smoke can be removed."
    rows = metrics(Path("smoke"))
    assert sum(bool(row["eval_success"]) for row in rows) == 2
    assert int(rows[-1]["updates"]) >= 4 and Path("smoke/video.mp4").stat().st_size > 1000
    assert json.loads(Path("smoke/versions.json").read_text())["resumed"]
    assert train.main([*flags, "--smoke", "--run-dir", "smoke"]) == 2
    assert "passed" not in capsys.readouterr().out
    with monkeypatch.context() as patch:
        at_step(patch, 208, stop)
        assert train.main([*flags, "--smoke", "--run-dir", "stopped"]) == 128 + 15
    assert capsys.readouterr().out.splitlines()[-1] == "smoke test failed: see above."
