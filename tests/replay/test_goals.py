"""Goals that are still to be reached, and goals as seen from what is achieved."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from replay import Batch, Ring, Room
from replay.hindsight import first_open

STILL, LENGTH = 4, 8  # the object rests for STILL steps, then moves by 1 a step until LENGTH


def reached(achieved: Tensor, desired: Tensor) -> Tensor:
    return -(achieved != desired).any(-1).to(torch.float32)


def a_resting_object(**options: float) -> Ring:
    """One episode whose vector is the time and whose achieved goal is 10 + the way the object has gone."""
    ring = Ring(Room(20, 1, 1, 1, 1), reward_fn=reached, **options)  # type: ignore[arg-type]
    goal = torch.tensor([[99.0]], dtype=torch.float64)

    def at(time: int) -> tuple[Tensor, Tensor, Tensor]:
        place = 10.0 + max(0, time - STILL)
        return torch.tensor([[float(time)]]), torch.tensor([[place]], dtype=torch.float64), goal

    ring.start(*at(0))
    for time in range(1, LENGTH + 1):
        ring.add(torch.zeros(1, 1), -torch.ones(1), torch.zeros(1), *at(time))
    return ring


def already_there(batch: Batch) -> Tensor:
    """By the story, not by the ring: was the object at the goal before the action? (B,) bool"""
    return batch.goal[:, 0] == 10 + (batch.vector[:, 0] - STILL).clamp(min=0)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_first_open_candidate_is_taken(table: list[list[bool]]) -> None:
    for transition, taken in enumerate(first_open(torch.tensor(table)).tolist()):
        column = [row[transition] for row in table]
        assert taken == (column.index(False) if False in column else 0)


def test_more_tries_leave_fewer_goals_that_were_reached_before() -> None:
    torch.manual_seed(0)
    share = {
        tries: already_there(a_resting_object(her_ratio=1.0, goal_tries=tries).sample(4000)).float().mean().item()
        for tries in (1, 2, 8)
    }
    # Independent tries: each transition stays with a reached goal only if all its candidates have one.
    assert 0.1 < share[1] < 0.5
    assert share[2] == pytest.approx(share[1] ** 2, abs=0.03)
    assert share[8] < 0.01


def test_tries_do_not_change_how_many_are_relabelled_nor_which_originals_are_drawn() -> None:
    batch = a_resting_object(her_ratio=0.75, goal_tries=8).sample(8000)
    original = batch.goal[:, 0] == 99
    assert original.float().mean().item() == pytest.approx(0.25, abs=0.02)
    times = torch.bincount(batch.vector[original, 0].long(), minlength=LENGTH).float()
    assert (times / times.sum() - 1 / LENGTH).abs().max() < 0.03
    assert (batch.reward[original] == -1).all()


def test_relabelled_rewards_fit_the_goal_that_was_kept() -> None:
    batch = a_resting_object(her_ratio=1.0, goal_tries=8).sample(1000)
    arrived = batch.goal[:, 0] == 10 + (batch.next_vector[:, 0] - STILL).clamp(min=0)
    assert batch.reward.equal(-(~arrived).to(torch.float32))


@pytest.mark.parametrize("tries", [1, 4])
def test_relative_goals_are_seen_from_both_ends_of_the_transition(tries: int) -> None:
    absolute = a_resting_object(goal_tries=tries).sample(500)
    relative = a_resting_object(goal_tries=tries, relative_goals=True).sample(500)
    assert absolute.next_goal.equal(absolute.goal)
    assert relative.reward.equal(absolute.reward) and relative.vector.equal(absolute.vector)
    for goal, vector in ((relative.goal, absolute.vector), (relative.next_goal, absolute.next_vector)):
        place = 10 + (vector - STILL).clamp(min=0)
        assert goal.equal(absolute.goal - place)
