"""Rewards of several steps, against a loop over the list of episodes, and against a fixed point known by hand."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goals import EnvironmentGoals
from replay import Ring
from tests.replay.episodes import GOES_ON, TERMINATED, Story, reward_of, spec_of
from tests.replay.test_ring import CUT, a_story_with_wrapping, new_ring, stories

GAMMA = 0.5


@settings(deadline=None, max_examples=60)
@given(told=stories(), n_step=st.integers(1, 5), goals=st.integers(1, 2))
def test_every_row_is_what_a_loop_over_its_episode_says(
    told: tuple[int, int, list[Any]], n_step: int, goals: int
) -> None:
    """Whatever ends, is cut off or has been overwritten: all rewards are of one goal and one episode."""
    slots, lanes, events = told
    ring = new_ring(slots, lanes, n_step=n_step, her_ratio=0.5, gamma=GAMMA)
    story = Story(ring)
    story.start()
    for event in events:
        story.start() if event == CUT else story.step(event)
    if not len(ring):
        return
    by_number = {one.number: one for lane in story.lanes for one in lane}
    batch = ring.sample(200, goals=goals)
    for row in range(200 * goals):
        here = by_number[int(batch.obs["vector"][row % 200, 0])]
        lane = story.lanes[here.lane]
        at = lane.index(here)
        goal = batch.goal[row].double()
        expected, discount = 0.0, 1.0
        for now, following in zip(lane[at : at + n_step], lane[at + 1 :], strict=False):
            if following.episode != here.episode:
                break
            lent = reward_of(torch.tensor([following.achieved_goal]).double(), goal[None]).item()
            expected += discount * (lent if goal[0] > 0 else now.reward)
            discount *= GAMMA
            last = following, now.outcome
        assert batch.reward[row].item() == pytest.approx(expected, rel=1e-6)
        assert batch.discount[row].item() == (0 if last[1] == TERMINATED else discount)
        assert tuple(batch.next_obs["vector"][row % 200].tolist()) == last[0].vector
        assert batch.action[row].item() == here.action and batch.achieved_goal[row % 200, 0].item() == here.number


def test_the_reward_function_is_given_only_goals_that_were_achieved() -> None:
    """An environment's own may have no answer for what lies past an episode's end, or was never written."""
    ring = new_ring(50, lanes=3, n_step=5, her_ratio=1.0)
    a_story_with_wrapping(ring, steps=12)
    stored = {one.achieved_goal for lane in a_story_with_wrapping(new_ring(50, lanes=3), 12).lanes for one in lane}
    asked: list[Any] = []

    def reward(achieved: torch.Tensor, desired: torch.Tensor) -> torch.Tensor:
        asked.extend(map(tuple, achieved.tolist()))
        return reward_of(achieved, desired)

    ring.goal_space = EnvironmentGoals(2, reward)
    ring.sample(500)
    assert len(asked) >= 5 * 500 and set(asked) <= stored


def test_relative_goals_are_seen_from_where_the_steps_lead() -> None:
    ring = new_ring(20, lanes=3, n_step=3, subtract_achieved=True)
    a_story_with_wrapping(ring)
    batch = ring.sample(300)
    moved = batch.next_obs["vector"][:, 0] - batch.obs["vector"][:, 0]  # achieved goals are the observations' numbers
    assert (batch.goal - batch.next_goal)[:, 0].equal(moved) and moved.max() > moved.min()


def positions(ring: Ring, episodes: list[list[int]], desired: list[int]) -> None:
    """Episodes of positions, which are the achieved goals too; truncated at their ends."""
    for episode, wanted in zip(episodes, desired, strict=True):
        parts = [
            (
                {"vector": torch.tensor([[float(at)]])},
                torch.tensor([[float(at)]]).double(),
                torch.tensor([[wanted]]).double(),
            )
            for at in episode
        ]
        ring.storage.start(*parts[0])
        for before, now, part in zip(episode, episode[1:], parts[1:], strict=False):
            reward = -torch.tensor([now != wanted]).float()
            ring.storage.add(torch.tensor([[float(now - before)]]), reward, torch.zeros(1), *part)


@pytest.mark.parametrize(("n_step", "expected"), [(1, 0.0), (2, -1.0), (3, -1.0)])
def test_the_fixed_point_is_biased_by_an_episode_that_leaves_its_goal(n_step: int, expected: float) -> None:
    """A chain with a reward of -1 but 0 at the goal, and gamma = 1/2. One episode goes 0, 1, 2, others stay at 1 and at
    2. To go from 0 to 1 where 1 is the goal is worth 0: whoever is there can stay. One step at a time says so. Two
    steps have also seen that the episode went on: 0 - gamma + gamma^2 V(2), V(2) = -1 / (1 - gamma), which is -1; and
    three, cut at its end, the same."""
    ring = Ring(
        spec_of(100, 1, 1, 1, 1),
        goal_space=EnvironmentGoals(1, lambda achieved, wanted: -(achieved != wanted).any(1).float()),
        her_ratio=0.5,
        n_step=n_step,
        gamma=GAMMA,
    )
    positions(ring, [[0, 1, 2], [1, 1, 1, 1], [2, 2, 2, 2]], desired=[9, 1, 1])
    batch = ring.sample(4000)
    values: dict[tuple[float, float, float], float] = defaultdict(float)  # by position, action and goal
    for _ in range(40):
        targets = defaultdict(list)
        for row in range(400):
            goal, at, then = (
                batch.goal[row].item(),
                batch.next_obs["vector"][row].item(),
                batch.obs["vector"][row].item(),
            )
            best = max(
                (value for (here, _, wanted), value in values.items() if (here, wanted) == (at, goal)), default=0.0
            )
            target = batch.reward[row].item() + batch.discount[row].item() * best
            targets[then, batch.action[row].item(), goal].append(target)
        values.update({key: sum(found) / len(found) for key, found in targets.items()})
    assert values[0, 1, 1] == pytest.approx(expected, abs=1e-6)
    assert values[1, 0, 1] == pytest.approx(0, abs=1e-6) and values[2, 0, 1] == pytest.approx(-2, abs=1e-6)


def test_a_terminated_step_among_several_does_not_bootstrap() -> None:
    ring = new_ring(20, lanes=1, n_step=4, her_ratio=0.0)
    story = Story(ring)
    story.start()
    for outcome in [GOES_ON, GOES_ON, TERMINATED]:
        story.step([outcome])
    batch = ring.sample(100)
    assert not batch.discount.any() and set(batch.next_obs["vector"][:, 0].tolist()) == {4.0}


@pytest.mark.parametrize("success_reward", [0.0, float("inf")])
def test_a_lent_goal_ends_the_sum_where_it_is_reached_and_a_sum_with_a_crash_keeps_its_goal(
    success_reward: float,
) -> None:
    """One episode goes 0, 1, ..., 6 and crashes at 6, with a reward of -5. Success ends episodes, or has yet to."""
    ring = Ring(
        spec_of(20, 1, 1, 1, 1),
        goal_space=EnvironmentGoals(1, lambda achieved, wanted: -(achieved != wanted).any(1).float()),
        strategy="episode", her_ratio=1.0, n_step=3, gamma=GAMMA,
    )  # fmt: skip
    positions(ring, [[*range(7)]], desired=[9])
    ring.storage.success_reward = success_reward
    crash = ring.storage.row(torch.tensor([5]), torch.tensor([0]))
    ring.storage.tables["terminated"][crash], ring.storage.tables["reward"][crash] = 1.0, -5.0
    batch, kinds = ring.sample(500), set()
    for row in range(500):
        at, goal = int(batch.obs["vector"][row]), int(batch.goal[row])
        expected, discount = 0.0, 1.0
        for now in range(at, min(at + 3, 6)):
            crashed = now == 5
            expected += discount * (-5.0 if crashed else 0.0 if now + 1 == goal else -1.0)
            reached = now + 1 == goal and success_reward == 0
            discount = 0.0 if reached or crashed else discount * GAMMA
            kinds.add((reached, crashed))
            if reached or crashed:
                break
        assert (goal == 9) == (at >= 3)  # what crashes within three steps keeps its goal and its penalty
        assert batch.reward[row].item() == expected and batch.discount[row].item() == discount
    assert kinds == {(False, False), (False, True)} | ({(True, False)} if success_reward == 0 else set())
