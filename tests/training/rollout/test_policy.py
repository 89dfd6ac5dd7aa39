"""What goes into the networks and comes out of them, whatever the dtypes and bounds of an environment's spaces are."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

import envs
from agent import Agent
from agent.agent import Acted
from goals import GoalSpace
from training.config.flags import Config
from training.rollout.evaluate import evaluate
from training.rollout.policy import Policy
from training.trainer import Trainer

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
    trainer = Trainer(Config(env_id=f"Typed-{goals}-v0", num_envs=3, buffer_size=300, workers=0, device="cpu",
                             her_strategy="none"))  # fmt: skip
    Typed.told.clear()
    shown: dict[float, list[float]] = {}
    act = trainer.agent.act

    def watched(obs: dict[str, Tensor], goal: Tensor, **more: Any) -> Acted:
        shown.update(zip(obs["vector"][:, 0].tolist(), goal.tolist(), strict=True))
        return act(obs, goal, **more)

    monkeypatch.setattr(trainer.agent, "act", watched)
    trainer.collector.ending.goes_on = True  # to find that out, other environments would tell something too
    trainer.collector.reset()
    for _ in range(12):
        trainer.collector.begin_step(explore_only=False)
        trainer.collector.end_step()
    assert len(shown) == 36 and all(goal == right(number) for number, goal in shown.items())
    told = len(Typed.told)  # what follows makes the reward function's own environment, which tells something too
    batch = trainer.ring.sample(1000)
    assert {number for number, *_ in batch.obs["vector"].tolist()} == shown.keys()
    assert batch.goal.tolist() == [right(number) for number, *_ in batch.obs["vector"].tolist()]
    assert batch.next_goal.tolist() == [right(number) for number, *_ in batch.next_obs["vector"].tolist()]
    seen = torch.tensor([right(number) for number in range(told)], dtype=torch.float64)
    torch.testing.assert_close(trainer.agent.goal_normalizer.running_mean, seen.mean(0))
    shown.clear()
    evaluate(trainer.eval_envs, trainer.policy, episodes=2, seed=0)
    assert len(shown) == 10 and all(goal == right(number) for number, goal in shown.items())
    trainer.close()


# ---------------------------------------------------------------------- actions


def scaled(space: gym.spaces.Box, actions: np.ndarray) -> np.ndarray:
    return Policy(cast(Agent, None), envs.LAYOUTS["state"], cast(GoalSpace, None), False, 1, space).scale(
        torch.from_numpy(actions)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_stay_in_the_action_space(dtype: type[np.floating]) -> None:
    """A dimension for each of 10,000 bounds of many magnitudes, the largest there are among them."""
    rng = np.random.default_rng(0)
    ends = rng.uniform(-1, 1, (2, 10_000)) * 10.0 ** rng.integers(-3, 4, (2, 10_000))
    most = np.finfo(dtype).max
    ends[:, :4] = np.array([(0.82, 2.24), (-most, most), (most / 2, most), (-1e-6, 1e30)]).T
    low, high = np.sort(ends.astype(dtype), axis=0)
    space = gym.spaces.Box(low, high, dtype=dtype)
    rows = np.concatenate([[np.full(10_000, end) for end in (-1, 1)], rng.uniform(-1, 1, (20, 10_000))])
    actions = rows.astype(np.float32)
    found = scaled(space, actions)
    assert all(space.contains(action) for action in found)
    share = (actions.astype(np.longdouble) + 1) / 2
    wanted = low.astype(np.longdouble) * (1 - share) + high.astype(np.longdouble) * share
    error = np.abs(found - wanted) / np.maximum(np.abs(low), np.abs(high))
    assert error.max() <= 2 * np.finfo(dtype).eps  # four roundings of half an eps


def test_an_action_space_from_minus_one_to_one_changes_no_bit() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (1000, 4)).astype(np.float32)
    actions[:2] = [-1], [1]
    assert scaled(gym.spaces.Box(-1.0, 1.0, (4,), np.float32), actions).tobytes() == actions.tobytes()
    wide = scaled(gym.spaces.Box(-1.0, 1.0, (4,), np.float64), actions)
    assert wide.tobytes() == actions.astype(np.float64).tobytes()


class Strict(Typed):
    """Refuses an action that its space does not hold."""

    def __init__(self, actions: str, render_mode: str | None = None) -> None:
        super().__init__("float64", render_mode)
        low, high = np.array([[0.82, -3.0], [2.24, 0.1]], np.dtype(actions))
        self.action_space = gym.spaces.Box(low, high, dtype=low.dtype)

    def step(self, action: np.ndarray) -> Any:
        assert self.action_space.contains(action), action
        return super().step(action)


ACTIONS = ("float32", "float64")
for name in ACTIONS:
    gym.register(f"Strict-{name}-v0", f"{__name__}:Strict", max_episode_steps=5, kwargs={"actions": name})


@pytest.mark.parametrize("dtype", ACTIONS)
def test_an_environment_is_handed_no_action_from_outside(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random ones, those of a policy that goes to the bounds, and those of an evaluation."""
    trainer = Trainer(Config(env_id=f"Strict-{dtype}-v0", num_envs=2, buffer_size=300, workers=0, device="cpu"))
    corners = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])
    monkeypatch.setattr(trainer.agent, "act", lambda *_, **__: Acted(corners.clone(), None))
    trainer.start()
    for explore_only in (True, False) * 5:
        trainer.collector.begin_step(explore_only)
        trainer.collector.end_step()
    evaluate(trainer.eval_envs, trainer.policy, episodes=2, seed=0)
    trainer.close()


@pytest.mark.parametrize("goals", GOALS)
def test_goals_of_whole_numbers_are_lent_as_they_were_reached(goals: str) -> None:
    """Others are moved."""
    trainer = Trainer(Config(env_id=f"Typed-{goals}-v0", num_envs=3, buffer_size=300, workers=0, device="cpu",
                             her_ratio=1.0, relative_goals=False))  # fmt: skip
    Typed.told.clear()
    trainer.start()
    for _ in range(12):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    reached = {tuple(achieved.astype(np.float32).tolist()) for achieved, _ in Typed.told}
    lent = {tuple(goal) for goal in trainer.ring.sample(200).goal.tolist()}
    trainer.close()
    assert (lent <= reached) == (np.dtype(goals).kind != "f")
