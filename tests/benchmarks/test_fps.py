"""The benchmark runs from end to end with tiny settings, and its made-up replays are what real ones would be."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks import ours, sb3
from benchmarks.alternate import median_ratio
from benchmarks.settings import EPISODE
from goals import EnvironmentGoals
from replay import Ring
from tests.replay.episodes import spec_of

TINY = {
    "--env-id": "FetchReach-v4", "--num-envs": 2, "--batch-size": 16, "--updates-per-step": 0.5, "--threads": 1,
    "--rounds": 1, "--seconds": 0.05, "--piece-seconds": 0.02, "--warmup-seconds": 0.01, "--learning-starts": 100,
    "--buffer-size": 2000, "--transitions": 400, "--device": "cpu",
}  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.fps", *arguments], capture_output=True, text=True, timeout=400
    )


def test_everything_prints_one_json_object() -> None:
    done = run("--obs", "state", "--json", *(str(word) for pair in TINY.items() for word in pair))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for key in ("env_steps_per_second", "updates_per_second", "env_steps_per_second_fast", "updates_per_second_fast"):
        assert set(report[key]) == {"ours", "sb3", "ratio", "ratio_min", "ratio_max"}
        assert all(value > 0 for value in report[key].values())
    (whole,) = report["end_to_end"]
    for rates in whole["contenders"].values():  # everybody keeps to the update ratio
        assert rates["updates_per_second"] / rates["env_steps_per_second"] == pytest.approx(0.5, rel=0.1)
    assert report["envs"]["ours_auto_vs_async"]["ratio"] > 0
    assert report["envs"]["physics_share_of_ours_on_one_core"] > 0
    assert report["replay"]["batches_per_second"]["ratio"] > 0
    assert report["update"]["updates_per_second"]["ratio"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rounds", "0"],
        ["--seconds", "nan"],
        ["--num-envs", "-1"],
        ["--updates-per-step", "0"],
        ["--updates-per-step", "0.31415926"],
        ["--prefill", "3"],
        ["--transitions", "1000000000"],
        ["--device", "cuda:77"],
    ],
)
def test_bad_values_get_one_sentence(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_filled_ring_is_what_adding_makes() -> None:
    def ring() -> Ring:
        return Ring(
            spec_of(4 * (EPISODE + 1) * 2, 2, 5, 3, 4),
            goal_space=EnvironmentGoals(3, lambda a, b: (a - b).sum(-1).float()),
        )

    filled, added = ring(), ring()
    ours.fill(filled.storage, 2 * 2 * EPISODE)
    goal = torch.zeros(2, 3, dtype=torch.float64)
    zeros = {"vector": torch.zeros(2, 5)}, goal, goal
    added.storage.start(*zeros)
    for step in range(2 * EPISODE):
        added.storage.add(torch.zeros(2, 4), torch.zeros(2), torch.zeros(2), *zeros)
        if step == EPISODE - 1:
            added.storage.start(*zeros)
    added.storage.start(*zeros)  # what the collector does next, to both
    filled.storage.start(*zeros)
    for name, cursor in added.storage.cursors.items():
        assert torch.equal(cursor, filled.storage.cursors[name]), name
    written = 2 * (2 * (EPISODE + 1) + 1)
    for name, rows in (("start", written), ("end", written), ("transition", 2 * 2 * EPISODE)):
        assert torch.equal(added.storage.tables[name][:rows], filled.storage.tables[name][:rows]), name


def test_filled_sb3_buffer_is_what_adding_makes() -> None:
    vec = sb3.make_vec_env("gymnasium_robotics:FetchReach-v4", 1)

    def buffer() -> sb3.HerReplayBuffer:
        return sb3.HerReplayBuffer(400, vec.observation_space, vec.action_space, vec, n_envs=2)  # type: ignore[arg-type]

    filled, added = buffer(), buffer()
    sb3.fill(filled, 2 * 2 * EPISODE)
    obs = {key: np.zeros((2, *space.shape)) for key, space in vec.observation_space.spaces.items()}  # type: ignore
    for step in range(2 * EPISODE):
        last = (step + 1) % EPISODE == 0
        infos = [{"TimeLimit.truncated": last}] * 2
        added.add(obs, obs, np.zeros((2, 4)), np.full(2, -1.0), np.full(2, last), infos)
    for name in ("ep_start", "ep_length", "dones", "timeouts", "rewards", "_current_ep_start", "pos", "full"):
        assert np.array_equal(getattr(filled, name), getattr(added, name)), name
    vec.close()


def test_ratio_is_taken_within_rounds() -> None:
    assert median_ratio([10.0, 30.0, 40.0], [5.0, 10.0, 10.0]) == 3.0
