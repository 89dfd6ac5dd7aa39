"""Environments that end on success: what is learned from them, on a chain whose values are worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from replay import Batch
from tests.training.runs import run, saved_state, tiny
from training.config.flags import Config
from training.rollout.ending import Ending
from training.trainer import Trainer

LAST, GAMMA = 5, 0.9  # the chain's last place, a wall; 0 is a pit, which ends the episode


class Chain(gym.Env[Any, Any]):
    """A walk to the left or the right; 1 is paid for being at the goal, and 10 taken for falling into the pit."""

    def __init__(self, ends: bool, dense: bool = False, hidden: bool = False) -> None:
        self.ends, self.dense, self.hidden = ends, dense, hidden
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict({key: gym.spaces.Box(0, LAST, (1,), np.float64) for key in keys})
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        at, goal = self.np_random.integers(1, LAST + 1, (2, 1)).astype(np.float64)
        self.at, self.aim = at, goal
        if not self.hidden:  # so that a check finds it, and can move it
            self.goal = self.aim
        return self.observe(), {}

    def step(self, action: np.ndarray) -> Any:
        self.at = np.clip(self.at + np.sign(action), 0, LAST)
        aim = self.aim if self.hidden else self.goal
        success, fell = bool(self.at[0] == aim[0]), bool(self.at[0] == 0)
        reward = float(self.compute_reward(self.at, aim, {})) - 10 * fell
        return self.observe(), reward, fell or (self.ends and success), False, {"is_success": success}

    def observe(self) -> dict[str, Any]:
        aim = self.aim if self.hidden else self.goal
        return {"observation": self.at.copy(), "achieved_goal": self.at.copy(), "desired_goal": aim.copy()}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        distance = np.abs(achieved - desired)[..., 0]
        return -distance if self.dense else (distance == 0).astype(np.float64)


for name, options in {
    "Ends": {"ends": True},
    "EndsHidden": {"ends": True, "hidden": True},
    "EndsDense": {"ends": True, "dense": True, "hidden": True},
    "GoesOn": {"ends": False},
}.items():
    gym.register(f"{name}-v0", f"{__name__}:Chain", max_episode_steps=30, kwargs=options)


def played(env_id: str) -> tuple[Batch, Trainer]:
    """What the replay gives of 4,000 random steps."""
    config = Config(env_id=env_id, num_envs=4, workers=0, device="cpu", buffer_size=5_000, gamma=GAMMA, goal_tries=1,
                    goal_noise=0.0, relative_goals=False)  # fmt: skip
    with Trainer(config) as trainer:
        trainer.start()
        for _ in range(1_000):
            trainer.collector.begin_step(explore_only=True)
            trainer.collector.end_step()
        return trainer.ring.sample(60_000), trainer


def values(batch: Batch) -> np.ndarray:
    """V(place, goal) of the best policy, by iterating Q = r + discount max Q' over the sampled transitions."""
    at, following = (obs["vector"][:, 0].long() for obs in (batch.obs, batch.next_obs))
    right, goal = (batch.action[:, 0] > 0).long(), batch.goal[:, 0].long()
    cell = (at * 2 + right) * (LAST + 1) + goal
    reward, discount = batch.reward.double(), batch.discount.double()
    count = torch.zeros(2 * (LAST + 1) ** 2).double().index_add_(0, cell, torch.ones_like(reward))
    q = torch.zeros(LAST + 1, 2, LAST + 1).double()
    for _ in range(300):
        target = reward + discount * q.amax(1)[following, goal]
        q = (torch.zeros_like(count).index_add_(0, cell, target) / count.clamp(min=1)).view_as(q)
    return q.amax(1)[1:, 1:].numpy()  # without the pit


def by_hand(ends: bool, dense: bool = False) -> np.ndarray:
    """At a goal in the middle nobody can stay: who goes on is back in two steps; at the wall one can."""
    found = np.zeros((LAST, LAST))
    for at in range(1, LAST + 1):
        for goal in range(1, LAST + 1):
            stays = at == goal == LAST
            steps = 1 if stays else abs(at - goal) or 2  # until it is at the goal (again)
            if dense:  # -1 for each place that is missing after each step; from the goal one goes away and returns
                missing = [1] if at == goal != LAST else range(steps - 1, 0, -1)
                found[at - 1, goal - 1] = -sum(GAMMA**t * places for t, places in enumerate(missing))
            else:
                again = GAMMA if goal == LAST else GAMMA**2
                found[at - 1, goal - 1] = GAMMA ** (steps - 1) / (1 if ends else 1 - again)
    return found


@pytest.mark.parametrize("env_id", ["Ends-v0", "EndsHidden-v0", "EndsDense-v0", "GoesOn-v0"])
def test_values_are_those_worked_out_by_hand(env_id: str) -> None:
    """Goals that were asked for, and four of five lent by hindsight: they end where those end."""
    batch, trainer = played(env_id)
    expected = by_hand(env_id != "GoesOn-v0", "Dense" in env_id)
    np.testing.assert_allclose(values(batch), expected, atol=1e-4)
    assert trainer.collector.ending.goes_on == (env_id == "GoesOn-v0") and not trainer.collector.ending.contradictory


def test_a_fall_keeps_its_goal_its_penalty_and_its_end() -> None:
    """compute_reward does not know of the penalty: with a lent goal a fall would be a cheap way out."""
    batch, _ = played("Ends-v0")
    fell = batch.next_obs["vector"][:, 0] == 0
    assert fell.sum() > 100
    assert (batch.reward[fell] == -10).all() and (batch.discount[fell] == 0).all() and (batch.goal[fell] > 0).all()


@pytest.mark.parametrize(
    ("steps", "reward"),
    [
        ([(-1, False, False)], np.inf),  # nothing is known yet
        ([(-1, False, False), (0, True, True)], 0),
        ([(-1, True, False), (0, True, True)], 0),  # a failure may end too
        ([(-0.3, False, False), (-0.1, True, True), (-0.2, True, True)], np.float32(-0.2)),
        ([(0, True, True), (0, False, True)], np.inf),  # it went on after a success
        ([(0, True, True), (0, False, False)], np.inf),  # at the goal, yet no success: more is needed
    ],
)
def test_what_steps_show(steps: list[tuple[float, bool, bool]], reward: float) -> None:
    ending = Ending()
    for one, terminated, success in steps:
        ending.observe(np.array([one], np.float32), np.array([terminated]), np.array([success]))
    assert ending.success_reward == reward
    assert ending.contradictory == (steps[-1] == (0, False, False))


def test_it_is_known_after_a_resume(own_folder: Path) -> None:
    """Episodes of unequal length are counted with their own success, while exploring and when evaluated."""
    asked = "--env-id", f"{__name__}:Ends-v0", "--guided-episodes", "1"
    assert tiny("run", *asked, "--num-envs", "2", "--total-steps", "160") == 0
    collector = saved_state(Path("run"))["trainer"]["collector"]
    assert collector["ending"] == {"least_success": 1.0, "most_failure": 0.0, "goes_on": False}
    returns, success = collector["returns"], collector["success"]
    assert len(returns) > 10 and {one == 1 for one in returns} == {True, False}
    assert success == [one == 1 for one in returns]  # the only reward of an episode is its success
    assert run("--resume", "run", "--total-steps", "320", "--resume-without-replay") == 0
    assert saved_state(Path("run"))["trainer"]["collector"]["ending"] == collector["ending"]
