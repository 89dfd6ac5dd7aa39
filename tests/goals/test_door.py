"""A made-up goal space: half of the environment's numbers, doubled, from the environment to the networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.training.runs import tiny_config
from training.rollout.evaluate import evaluate
from training.trainer import Trainer


class Doubled:
    """Twice the first two of the environment's three numbers; reached within 10 cm of them."""

    size = 2

    def goals(self, obs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
        return 2 * obs["achieved_goal"][:, :2], 2 * obs["desired_goal"][:, :2]

    def reward(self, achieved: Tensor, desired: Tensor) -> Tensor:
        return self.reached(achieved, desired).to(torch.float32) - 1

    def reached(self, achieved: Tensor, desired: Tensor) -> Tensor:
        return (achieved - desired).norm(dim=-1) < 0.2


def test_collecting_relabelling_learning_and_acting_are_in_its_goals() -> None:
    """In Reach the vector begins with the gripper's position, which is what is achieved."""
    flags = ["--env-id", "FetchReach-v4", "--her-ratio", "1", "--goal-noise", "0", "--no-relative-goals"]
    trainer = Trainer(tiny_config(*flags), goal_space=Doubled())
    trainer.start()
    for _ in range(30):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    batch = trainer.ring.sample(500)
    assert batch.goal.shape == batch.achieved_goal.shape == (500, 2)
    achieved = 2 * trainer.ring.storage.tables["vector"][: 31 * 8, :2]
    nearest = (batch.goal[:, None] - achieved[None]).abs().amax(-1).amin(1)
    assert nearest.max() < 1e-6  # each lent goal is one that some environment achieved, doubled
    distance = (2 * batch.next_obs["vector"][:, :2] - batch.goal).norm(dim=-1)
    sure = (distance - 0.2).abs() > 1e-5
    assert batch.reward[sure].equal((distance[sure] < 0.2).to(torch.float32) - 1) and 0 < -batch.reward.mean() < 1
    assert trainer.agent.config.goal_size == 2
    trainer.updates.update([trainer.ring.sample(32)])
    assert len(evaluate(trainer.eval_envs, trainer.policy, episodes=2, seed=0).success) == 2
    trainer.close()


def test_errors_of_estimates_are_told_in_its_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate that always says (0, 0), against the doubled numbers of Reach's own achieved goals."""
    flags = "--env-id FetchReach-v4 --obs pixels-only --goal-loss 1 --goal-input concat --buffer-size 400"
    with Trainer(tiny_config(*flags.split()), goal_space=Doubled()) as trainer:
        regression = trainer.agent.goal_regression
        assert regression is not None
        monkeypatch.setattr(regression, "denormalize", torch.zeros_like)
        achieved: list[NDArray[Any]] = []
        reset, step = trainer.eval_envs.reset, trainer.eval_envs.step

        def noted(returned: Any) -> Any:
            achieved.append(returned[0]["achieved_goal"].copy())
            return returned

        monkeypatch.setattr(trainer.eval_envs, "reset", lambda **how: noted(reset(**how)))
        monkeypatch.setattr(trainer.eval_envs, "step", lambda actions: noted(step(actions)))
        errors = evaluate(trainer.eval_envs, trainer.policy, trainer.eval_envs.num_envs, seed=0).errors
    expected = np.concatenate([np.linalg.norm(2 * goals[:, :2], axis=1) for goals in achieved[:-1]])
    assert errors == pytest.approx(expected, rel=1e-5)
