"""Environments that others wrote train as they are, where they are installed (group third-parties)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.runs import metrics, run, saved_state, tiny

# Id, the module that it needs, and whether success is known to end its episodes after a few hundred steps.
ENVIRONMENTS = {
    "panda_gym:PandaReach-v3": ("panda_gym", True),
    "panda_gym:PandaPush-v3": ("panda_gym", True),
    "highway_env:parking-v0": ("highway_env", None),  # random driving parks by chance
    "highway_env:parking-ActionRepeat-v0": ("highway_env", None),
    "PointMaze_UMaze-v3": ("gymnasium_robotics", False),
    "AntMaze_UMaze-v5": ("gymnasium_robotics", False),
    "HandReach-v3": ("gymnasium_robotics", None),
}


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_it_trains_and_resumes(env_id: str) -> None:
    module, ends = ENVIRONMENTS[env_id]
    pytest.importorskip(module, reason=f"{module} is not installed: it is optional")
    asked = "--env-id", env_id, "--max-episode-steps", "20", "--num-envs", "2", "--total-steps", "240"
    assert tiny("run", *asked, "--her-ratio", "0.8") == 0
    assert float(metrics(Path("run"))[-1]["updates"]) == 40
    ending = saved_state(Path("run"))["trainer"]["collector"]["ending"]
    if ends is not None:
        assert ending["goes_on"] == (not ends) and (not ends or ending["least_success"] == 0)
    assert run("--resume", "run", "--total-steps", "320") == 0
