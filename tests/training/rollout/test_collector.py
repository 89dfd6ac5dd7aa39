"""What reaches the ring from environments whose episodes end at different times, against the script they play."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

import envs
from agent import Agent
from agent.agent import Acted
from goals import EnvironmentGoals
from replay import Ring, RingSpec
from training.rollout.collector import Collector
from training.rollout.exploration import Explorer
from training.rollout.policy import Policy

LENGTHS = (3, 5)  # steps of an episode of each environment
STEPS, STACK = 17, 3


class Moment(NamedTuple):
    """An observation: which environment's, of which of its episodes, at what time."""

    env: int
    episode: int
    time: int

    def numbers(self) -> list[float]:
        return [float(self.env), float(self.episode), float(self.time)]

    def byte(self) -> int:
        """What all of its image says: unlike that of any other moment."""
        return 100 * self.env + 10 * self.episode + self.time

    def reward(self) -> float:
        """Reward of the step that led to it."""
        return -float(self.byte())


class Script:
    """A vector of two environments that tell where they are; one of them terminates, the other is truncated."""

    num_envs = len(LENGTHS)
    restorable = False
    single_observation_space = spaces.Dict({"observation": spaces.Box(-1e3, 1e3, (3,))})

    def reset(self, seed: int | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self.now = [Moment(env, 0, 0) for env in range(self.num_envs)]
        return shown(self.now), {}

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        reached = [moment._replace(time=moment.time + 1) for moment in self.now]
        done = np.array([moment.time == LENGTHS[moment.env] for moment in reached])
        self.now = [
            Moment(moment.env, moment.episode + 1, 0) if ended else moment
            for moment, ended in zip(reached, done, strict=True)
        ]
        finals = [{name: part[0] for name, part in shown([moment]).items()} for moment in reached]
        infos = {"final_obs": np.array(finals, object), "final_info": {"is_success": done & [False, True]}}
        rewards = np.array([moment.reward() for moment in reached])
        terminates = np.array([True, False])
        return shown(self.now), rewards, done & terminates, done & ~terminates, infos if done.any() else {}


def shown(moments: list[Moment]) -> dict[str, np.ndarray]:
    numbers = np.array([moment.numbers() for moment in moments])
    images = np.array([np.full((2, 2, 1), moment.byte()) for moment in moments], np.uint8)
    return {"observation": numbers, "achieved_goal": numbers[:, :1], "desired_goal": numbers[:, 1:2],
            envs.PIXELS: images}  # fmt: skip


class Looks:
    """An agent whose estimate of a goal is what the images of the stack say, the oldest first."""

    device = torch.device("cpu")
    privileged = None

    def estimate_goal(self, obs: dict[str, Tensor]) -> Tensor:
        return obs["pixels"].float().mean((1, 2))  # (N, STACK)

    def act(self, obs: dict[str, Tensor], goal: Tensor, deterministic: bool) -> Acted:
        return Acted(obs["vector"][:, :2] / 100, None)  # in [-1, 1], and tells what was seen


@pytest.fixture
def played() -> tuple[Ring, list[Tensor], Collector]:
    """A ring after some steps, what the normalisers were shown, and the collector."""
    size = 1  # of a goal
    observations = {"vector": ((3,), torch.float32), "pixels": ((2, 2, 1), torch.uint8),
                    "estimate": ((STACK,), torch.float32)}  # fmt: skip
    reward: Callable[[Tensor, Tensor], Tensor] = lambda achieved, desired: -(achieved != desired).float()[:, 0]  # noqa: E731
    goal_space = EnvironmentGoals(size, reward)
    ring = Ring(RingSpec(200, 2, observations, size, 2), goal_space=goal_space, her_ratio=0.0, frame_stack=STACK)
    layout = envs.Layout(True, ("observation",))
    policy = Policy(cast(Agent, Looks()), layout, goal_space, False, STACK, spaces.Box(-1, 1, (2,)), estimates=True)
    explorer = Explorer(num_envs=2, action_size=2, random_actions=0.0, guided_episodes=0.0, grasps=False,
                        device="cpu", seed=0)  # fmt: skip
    observed: list[Tensor] = []
    collector = Collector(
        cast(Any, Script()), policy, ring.storage, explorer, lambda vector, *_: observed.append(vector)
    )
    collector.reset()
    for _ in range(STEPS):
        collector.begin_step(explore_only=False)
        collector.end_step()
    return ring, observed, collector


def test_transitions_are_those_of_the_script(played: tuple[Ring, list[Tensor], Collector]) -> None:
    ring, _, _ = played
    batch = ring.sample(2_000)
    found = set()
    for row in range(2_000):
        env, episode, time = batch.obs["vector"][row].int().tolist()
        here, following = Moment(env, episode, time), Moment(env, episode, time + 1)
        found.add(here)
        assert batch.next_obs["vector"][row].tolist() == following.numbers()
        assert batch.reward[row] == following.reward()
        ends = env == 0 and following.time == LENGTHS[0]
        assert batch.discount[row] == pytest.approx(0.0 if ends else ring.gamma)
        assert batch.action[row].tolist() == pytest.approx([env / 100, episode / 100])
        assert (batch.achieved_goal[row], batch.goal[row]) == (env, episode)
    assert found == {Moment(env, step // length, step % length) for env, length in enumerate(LENGTHS)
                     for step in range(STEPS)}  # fmt: skip


def test_a_stack_and_its_estimate_hold_the_episode_s_own_images_alone(
    played: tuple[Ring, list[Tensor], Collector],
) -> None:
    """Also of an episode's last observation, while other environments are in the middle of theirs."""
    ring, _, _ = played
    batch = ring.sample(2_000)
    lasts = set()
    for obs in (batch.obs, batch.next_obs):
        for row in range(2_000):
            moment = Moment(*obs["vector"][row].int().tolist())
            stack = [moment._replace(time=max(0, moment.time - back)).byte() for back in range(STACK - 1, -1, -1)]
            assert obs["pixels"][row, 0, 0].tolist() == stack
            assert obs["estimate"][row].tolist() == stack
            lasts |= {moment.env} if moment.time == LENGTHS[moment.env] else set()
    assert lasts == {0, 1}


def test_normalisers_see_each_observation_once(played: tuple[Ring, list[Tensor], Collector]) -> None:
    _, observed, _ = played
    rows = [tuple(row.int().tolist()) for part in observed for row in part]
    stored = {Moment(env, step // length, time) for env, length in enumerate(LENGTHS) for step in range(STEPS)
              for time in (step % length, step % length + 1)}  # fmt: skip
    begun = {Moment(env, STEPS // length, 0) for env, length in enumerate(LENGTHS)}
    assert len(rows) == len(set(rows)) and set(rows) == stored | begun


def test_episodes_are_counted_with_their_success_and_return(played: tuple[Ring, list[Tensor], Collector]) -> None:
    _, _, collector = played
    ended = [(step + 1, env) for step in range(STEPS) for env, length in enumerate(LENGTHS) if not (step + 1) % length]
    assert collector.episodes == len(ended) == 8
    assert list(collector.success) == [env == 1 for _, env in ended]
    expected = [sum(Moment(env, step // LENGTHS[env] - 1, time).reward() for time in range(1, LENGTHS[env] + 1))
                for step, env in ended]  # fmt: skip
    assert list(collector.returns) == expected
    assert collector.ending.goes_on  # the one that succeeds is truncated
