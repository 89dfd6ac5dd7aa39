"""What goes into the networks and comes out of them, whatever the dtypes and bounds of an environment's spaces are."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from training.config import Config
from training.evaluate import evaluate
from training.session import Session

GOALS = ("uint8", "int16", "int64", "float32", "float64")


class Typed(gym.Env[Any, Any]):
    """Goals are drawn from all of a dtype's range; each observation is a number of its own."""

    told: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []  # achieved and desired goal of each observation

    def __init__(self, goals: str, render_mode: str | None = None) -> None:
        self.render_mode, self.dtype = render_mode, np.dtype(goals)
        if self.dtype.kind == "f":
            self.low, self.high = -1e6, 1e6
        else:
            info = np.iinfo(self.dtype)  # of int64 what float64 can hold
            self.low, self.high = max(info.min, -(2**53)), min(info.max, 2**53)
        goal = gym.spaces.Box(self.low, self.high, (2,), self.dtype)
        number = gym.spaces.Box(0, np.inf, (1,), np.float64)
        self.observation_space = gym.spaces.Dict(observation=number, achieved_goal=goal, desired_goal=goal)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.goal = self._point()
        return self._observe(), {}

    def step(self, action: np.ndarray) -> Any:
        observation = self._observe()
        return observation, 0.0, False, False, {"is_success": False}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return np.zeros(len(achieved))

    def _point(self) -> np.ndarray:
        return self.np_random.uniform(self.low, self.high, 2).astype(self.dtype)

    def _observe(self) -> dict[str, np.ndarray]:
        achieved = self._point()
        self.told.append((achieved, self.goal))
        return {"observation": np.array([len(self.told) - 1.0]), "achieved_goal": achieved, "desired_goal": self.goal}


for name in GOALS:
    gym.register(f"Typed-{name}-v0", f"{__name__}:Typed", max_episode_steps=5, kwargs={"goals": name})


def right(number: float) -> list[float]:
    """The desired goal as seen from the achieved one, by Python's floats, rounded once."""
    achieved, desired = Typed.told[int(number)]
    return [float(np.float32(float(d) - float(a))) for d, a in zip(desired.tolist(), achieved.tolist(), strict=True)]


@pytest.mark.parametrize("goals", GOALS)
def test_goals_are_subtracted_in_float64_by_all_who_do_it(goals: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy while it collects and while it is evaluated, the ring, and the goals' normaliser: the same numbers."""
    Typed.told.clear()
    session = Session(Config(env_id=f"Typed-{goals}-v0", num_envs=3, buffer_size=300, workers=0, device="cpu",
                             her_strategy="none"))  # fmt: skip
    shown: dict[float, list[float]] = {}
    act = session.agent.act

    def watched(vector: Tensor, goal: Tensor, *rest: Any, **more: Any) -> Tensor:
        shown.update(zip(vector[:, 0].tolist(), goal.tolist(), strict=True))
        return act(vector, goal, *rest, **more)

    monkeypatch.setattr(session.agent, "act", watched)
    session.start()
    for _ in range(12):
        session.collector.begin_step(explore_only=False)
        session.collector.end_step()
    assert len(shown) == 36 and all(goal == right(number) for number, goal in shown.items())
    batch = session.ring.sample(1000)
    assert {number for number, *_ in batch.vector.tolist()} == shown.keys()
    assert batch.goal.tolist() == [right(number) for number, *_ in batch.vector.tolist()]
    assert batch.next_goal.tolist() == [right(number) for number, *_ in batch.next_vector.tolist()]
    seen = torch.tensor([right(number) for number in range(len(Typed.told))], dtype=torch.float64)
    torch.testing.assert_close(session.agent.goal_normalizer.running_mean, seen.mean(0))
    shown.clear()
    evaluate(session.eval_envs, session.policy, episodes=2, seed=0)
    assert len(shown) == 10 and all(goal == right(number) for number, goal in shown.items())
    session.close()
