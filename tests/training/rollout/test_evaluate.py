"""Counting successes, and what is said about the counts."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from gymnasium.vector import VectorEnv

from agent.agent import Acted
from training.finish import first_of_two
from training.rollout.evaluate import Evaluation, evaluate, staying, wilson_interval
from training.rollout.policy import Policy, PolicyInput


class Script:
    """Three environments that play written-down episodes: (length, success at the last step), reward -1 a step.

    Before its last step every episode says the opposite of how it ends. Reset by SAME_STEP, like ours.
    """

    num_envs = 3
    EPISODES = (
        [(2, True), (5, False), (1, True), (1, True)],
        [(1, False), (1, True), (1, True), (1, True), (1, True), (1, True), (1, True)],
        [(4, True), (3, False), (1, False)],
    )

    restorable = True  # a Fetch task, whose numbers are known to be metres

    def reset(self, *, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self.seed, self.left = seed, [list(episodes) for episodes in self.EPISODES]
        self.time = np.zeros(3, int)
        return self._observation(), {}

    def _observation(self) -> dict[str, np.ndarray]:
        height = np.where(self.time >= 3, 0.4, 0.5)
        achieved = np.stack([np.zeros(3), np.zeros(3), height], axis=1)
        return {"observation": np.tile(self.time[:, None].astype(float), 25), "achieved_goal": achieved}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        assert (actions[:, 0] == self.time).all(), "the policy is asked about what it sees"
        self.time += 1
        done = np.array([self.time[i] == self.left[i][0][0] for i in range(3)])
        now = np.array([self.left[i][0][1] == done[i] for i in range(3)])
        infos: dict[str, Any] = {"is_success": np.where(done, False, now), "_is_success": ~done}
        if done.any():
            last = self._observation()["achieved_goal"]
            away = last + np.outer(self.time, [0.03, 0.0, 0.04])  # by 5 cm for each step
            infos["final_obs"] = [{"achieved_goal": a, "desired_goal": b} for a, b in zip(last, away, strict=True)]
            infos["final_info"] = {"is_success": np.where(done, now, False), "_is_success": done.copy()}
        for lane in np.flatnonzero(done):
            self.left[lane].pop(0)
            self.left[lane] = self.left[lane] or [(1, True)]
            self.time[lane] = 0
        odd = np.arange(3) % 2 == 1
        return self._observation(), -np.ones(3), done & odd, done & ~odd, infos


class Repeats:
    """A policy that says what it sees, and that each achieved goal lies 3 cm higher than it does."""

    def new_frames(self) -> None:
        """It has no memory of images."""

    def observe(self, obs: dict[str, np.ndarray], _: None, opens: np.ndarray, blindfold: str | None) -> PolicyInput:
        assert (opens == (obs["observation"][:, 0] == 0)).all(), "the policy is told where an episode begins"
        achieved = torch.from_numpy(obs["achieved_goal"])
        return PolicyInput({"vector": torch.from_numpy(obs["observation"])}, achieved, achieved)

    def act(self, shown: PolicyInput, deterministic: bool) -> Acted:
        return Acted(shown.obs["vector"], shown.achieved_goal + torch.tensor([0.0, 0.0, 0.03], dtype=torch.float64))

    def scale(self, action: torch.Tensor) -> np.ndarray:
        return action.numpy()


def evaluated(episodes: int) -> Evaluation:
    return evaluate(cast(VectorEnv, Script()), cast(Policy, Repeats()), episodes, seed=7)


def play(episodes: int) -> tuple[list[bool], list[float]]:
    result = evaluated(episodes)
    return result.success.tolist(), result.returns.tolist()


def test_position_errors_are_those_of_every_step_and_fallen_objects_are_told_apart() -> None:
    """Six episodes, 2 + 5, 1 + 1 and 4 + 3 steps; the object drops by 10 cm after an episode's third step."""
    result = evaluated(6)
    assert result.errors == pytest.approx(np.full(16, 0.03))
    assert result.fallen.sum() == 2 + 1  # steps 4 and 5 of the second episode, 4 of the third
    measured = result.to_dict()
    assert measured["position_rmse_cm"] == measured["position_rmse_with_fallen_cm"] == pytest.approx(3.0)


def test_success_is_that_of_each_episodes_last_step_and_every_environment_plays_as_many() -> None:
    """Short episodes (environment 1 plays three of them in the time of one) do not count more often."""
    assert play(6) == ([True, False, True, False, True, False], [-2.0, -1.0, -4.0, -5.0, -1.0, -3.0])


def test_ever_is_success_at_any_step_and_what_left_the_goal_again_is_said() -> None:
    """An episode of one step that fails never succeeds; a longer one that fails says success before its last step."""
    result = evaluated(6)
    assert result.ever.tolist() == [True, False, True, True, True, True]
    said = result.to_dict()
    assert said["success_rate"] == 3 / 6 and said["ever_success_rate"] == 5 / 6
    assert staying(said) == "83.3%: 33.3% of the episodes reach the goal and leave it again"
    assert staying({"success_rate": 0.98, "ever_success_rate": 0.985}) == "98.5%"


def test_distances_are_those_of_each_episodes_last_observation() -> None:
    """Episodes have 2 + 5, 1 + 1 and 4 + 3 steps, each of 5 cm."""
    result = evaluated(5)
    assert result.distances == pytest.approx([0.10, 0.05, 0.20, 0.25, 0.05])
    assert result.to_dict()["final_distance_median_cm"] == pytest.approx(10)


@pytest.mark.parametrize("episodes", [1, 2, 3, 4, 5, 6])
def test_what_is_over_the_number_is_left_out(episodes: int) -> None:
    success, returns = play(episodes)
    assert success == play(6)[0][:episodes] and returns == play(6)[1][:episodes]


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    [
        (90, 100, (0.8256343, 0.9447708)),
        (0, 10, (0.0, 0.2775328)),
        (10, 10, (0.7224672, 1.0)),
        (1, 2, (0.0945312, 0.9054688)),
    ],
)
def test_wilson_interval(successes: int, trials: int, interval: tuple[float, float]) -> None:
    """Its bounds are the rates that lie just 1.96 of their own standard deviations from what was counted."""
    assert wilson_interval(successes, trials) == pytest.approx(interval, abs=1e-6)
    for rate in interval:
        deviation = (rate * (1 - rate) / trials) ** 0.5
        assert abs(successes / trials - rate) == pytest.approx(1.959964 * deviation, abs=1e-6)


@pytest.mark.parametrize(
    ("curve", "step"),
    [
        ([0.2, 0.9, 0.8, 0.9, 0.95, 0.1], 4),
        ([0.9, 0.9], 1),
        ([0.1, 0.9], None),  # nothing confirms it yet
        ([0.9, 0.89, 0.9], None),
        ([], None),
    ],
)
def test_steps_to_90_are_those_of_the_first_of_two(curve: list[float], step: int | None) -> None:
    rows = [row for i, rate in enumerate(curve, 1) for row in ({"step": i, "eval_success": rate}, {"step": i + 0.5})]
    first = first_of_two(rows, 0.9)
    assert (first and first["step"]) == step


def test_numbers_of_another_task_are_no_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Script, "restorable", False)
    assert len(evaluated(6).distances) == 0 and not evaluated(6).fallen.any()
