"""SB3's learning curve, on Reach for a few hundred steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import learning, sb3
from training.logger import CSV, read_rows


def test_sb3s_curve_has_both_kinds_of_success_and_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--env-id", "FetchReach-v4", "--steps", "1200", "--eval-every", "400", "--eval-episodes", "10",
                 "--results", str(tmp_path)]  # fmt: skip
    assert learning.main(arguments) == 0
    rows = read_rows(tmp_path / "sb3-book-state" / "seed-0")
    assert [row["step"] for row in rows] == [400, 800, 1200]
    # One for 8 steps, after the first 1,000; that of the latest steps is still to come.
    assert [row["updates"] for row in rows] == [0, 0, 200 / 8 - 1]
    assert all(0 <= row[name] <= 1 for row in rows for name in ("success_rolling", "eval_success"))
    assert learning.main(arguments) == 2
    assert "has a curve already" in capsys.readouterr().err
    interrupted = tmp_path / "sb3-book-state" / "seed-1"
    interrupted.mkdir()
    (interrupted / f"{CSV}.part").write_text("step\n400\n")
    assert learning.main(["--plot", "--results", str(tmp_path)]) == 0
    assert (tmp_path / "sb3-book-state" / learning.PLOT).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "sb3-book-state" / "seed-0" / CSV).exists()
    assert "SB3 (1 seed): 50% " in capsys.readouterr().out
    assert learning.main([*arguments, "--seed", "1"]) == 2
    assert "or a part of one" in capsys.readouterr().err
    assert (interrupted / f"{CSV}.part").read_text() == "step\n400\n"


def test_milestones_are_of_two_evaluations_in_a_row() -> None:
    found = (0.1, 0.6, 0.4, 0.7, 0.95, 0.8)
    rows = [{"step": 1000.0 * number, "eval_success": success} for number, success in enumerate(found, 1)]
    assert learning.milestones(rows) == "50% at 4k, 90% not reached, 80% at the end"


class Straight:
    """A policy for Reach whose success is known: it goes to the goal, or stays where it is."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def predict(self, obs: dict[str, np.ndarray], deterministic: bool) -> tuple[np.ndarray, None]:
        way = self.gain * (obs["desired_goal"] - obs["achieved_goal"])
        return np.concatenate([way, np.zeros((len(way), 1))], axis=1).clip(-1, 1).astype(np.float32), None


def test_success_is_that_of_the_policys_own_episodes() -> None:
    settings = learning.settings_of(learning.Arguments(env_id="FetchReach-v4"))
    vec = sb3.make_envs(settings, subprocesses=False)
    models: list[Any] = [Straight(10.0), Straight(0.0)]
    goes, stays = (learning.success_rate(model, vec, 30, seed=0) for model in models)
    assert goes == 1.0 and stays < 0.3
    vec.close()


def test_without_any_curve_there_is_nothing_to_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learning.main(["--plot", "--results", str(tmp_path)]) == 2
    assert "train first" in capsys.readouterr().err
