"""Goals that are still to be reached, and goals as seen from what is achieved."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from goals import EnvironmentGoals
from replay import Ring
from replay.hindsight import first_not_reached, near
from tests.replay.episodes import spec_of

STILL, MOVED, LENGTH = 4, 8, 12  # the object rests, moves by 1 a step from STILL to MOVED, and rests again


def reached(achieved: Tensor, desired: Tensor) -> Tensor:
    return -(achieved != desired).any(-1).to(torch.float32)


def place_at(time: int) -> int:
    return 10 + min(max(0, time - STILL), MOVED - STILL)


def a_resting_object(**options: float) -> Ring:
    """One episode whose vector is the time and whose achieved goal is 10 + the way the object has gone."""
    ring = Ring(spec_of(20, 1, 1, 1, 1), goal_space=EnvironmentGoals(1, reached), **options)  # type: ignore[arg-type]
    goal = torch.tensor([[99.0]], dtype=torch.float64)

    def at(time: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        place = float(place_at(time))
        return {"vector": torch.tensor([[float(time)]])}, torch.tensor([[place]], dtype=torch.float64), goal

    ring.storage.start(*at(0))
    for time in range(1, LENGTH + 1):
        ring.storage.add(torch.zeros(1, 1), -torch.ones(1), torch.zeros(1), *at(time))
    return ring


def places(time: Tensor) -> Tensor:
    """By the story, not by the ring: where the object lay, (B,)."""
    return torch.tensor([float(place_at(int(one))) for one in time.flatten()])


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_first_open_candidate_is_taken(table: list[list[bool]]) -> None:
    for transition, taken in enumerate(first_not_reached(torch.tensor(table)).tolist()):
        column = [row[transition] for row in table]
        assert taken == (column.index(False) if False in column else 0)


@pytest.mark.parametrize("tries", [1, 2, 8])
def test_goals_that_nobody_had_to_move_anything_for_are_tried_again_and_goals_to_stay_at_are_kept(tries: int) -> None:
    """Against a count of all pairs of a transition and a later moment, each as likely: a pair whose goal is where the
    object lay at first is replaced until the tries are over, and no other is."""
    pairs = [(time, later) for time in range(LENGTH) for later in range(time + 1, LENGTH + 1)]
    weight = {pair: 1 / LENGTH / (LENGTH - pair[0]) for pair in pairs}
    unmoved = sum(weight[time, later] for time, later in pairs if later <= STILL)
    staying = sum(weight[time, later] for time, later in pairs if time >= MOVED)
    batch = a_resting_object(her_ratio=1.0, goal_tries=tries).sample(8000)
    lent_unmoved = (batch.goal[:, 0] == 10).float().mean().item()
    lent_staying = (
        ((batch.obs["vector"][:, 0] >= MOVED) & (batch.goal[:, 0] == places(batch.obs["vector"]))).float().mean().item()
    )
    assert lent_unmoved == pytest.approx(unmoved**tries, abs=0.015)
    assert lent_staying == pytest.approx(staying * sum(unmoved**n for n in range(tries)), abs=0.015)


def test_every_goal_of_a_transition_is_chosen_alike() -> None:
    """The further ones of several goals for each transition leave out what nobody moved, too."""
    batch = a_resting_object(her_ratio=1.0, goal_tries=8).sample(2000, goals=3)
    may_move = batch.obs["vector"][:, 0].repeat(3) < LENGTH
    for goals in batch.goal[may_move, 0].view(3, -1):
        assert (goals == 10).float().mean().item() < 0.01


def test_tries_do_not_change_how_many_are_relabelled_nor_which_originals_are_drawn() -> None:
    batch = a_resting_object(her_ratio=0.75, goal_tries=8).sample(8000)
    original = batch.goal[:, 0] == 99
    assert original.float().mean().item() == pytest.approx(0.25, abs=0.02)
    times = torch.bincount(batch.obs["vector"][original, 0].long(), minlength=LENGTH).float()
    assert (times / times.sum() - 1 / LENGTH).abs().max() < 0.03
    assert (batch.reward[original] == -1).all()


def test_relabelled_rewards_fit_the_goal_that_was_kept() -> None:
    batch = a_resting_object(her_ratio=1.0, goal_tries=8).sample(1000)
    arrived = batch.goal[:, 0] == places(batch.next_obs["vector"])
    assert batch.reward.equal(-(~arrived).to(torch.float32))


@pytest.mark.parametrize("tries", [1, 4])
def test_relative_goals_are_seen_from_both_ends_of_the_transition(tries: int) -> None:
    absolute = a_resting_object(goal_tries=tries).sample(500)
    relative = a_resting_object(goal_tries=tries, subtract_achieved=True).sample(500)
    assert absolute.next_goal.equal(absolute.goal)
    assert relative.reward.equal(absolute.reward) and relative.obs["vector"].equal(absolute.obs["vector"])
    for goal, vector in ((relative.goal, absolute.obs["vector"]), (relative.next_goal, absolute.next_obs["vector"])):
        assert goal.equal(absolute.goal - places(vector)[:, None])


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_lent_goals_are_moved_along_the_way_between_two_desired_goals(scale: float) -> None:
    """Against a loop: any part of it up to `scale`, each as likely, and nothing in a number that is alike in all."""
    generator = torch.Generator().manual_seed(0)
    lent, asked = torch.rand(2, 4000, 3, dtype=torch.float64, generator=generator)
    asked[:, 2] = 7.0
    goal = near(lent, asked, torch.rand(4000, dtype=torch.float64, generator=generator), scale)
    parts = []
    for row in range(4000):
        way = asked[row - 1] - asked[row - 2]
        parts.append(((goal[row] - lent[row]) @ way / (way @ way)).item())
        assert (goal[row] - lent[row] - parts[-1] * way).abs().max() < 1e-12
    quartiles = torch.tensor(parts).quantile(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])) / scale
    assert quartiles.tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.03)
    assert goal[:, 2].equal(lent[:, 2])


@pytest.mark.parametrize("goals", [1, 3])
def test_goals_that_were_moved_are_only_lent_ones_and_have_their_own_reward(goals: int) -> None:
    """Goals between the whole places where the object lies are reached, or not, as `within` has it."""

    def within(achieved: Tensor, desired: Tensor) -> Tensor:
        return -((achieved - desired).abs() > 0.75).any(-1).to(torch.float32)

    ring = a_resting_object(her_ratio=0.75, goal_noise=0.5)
    ring.goal_space = EnvironmentGoals(1, within)
    ring.storage.tables["desired_goal"][::2] = 101.0  # so that desired goals differ, by two
    batch = ring.sample(4000, goals=goals)
    original = (batch.goal[:, 0] == 99) | (batch.goal[:, 0] == 101)
    assert original.float().mean().item() == pytest.approx(0.25, abs=0.03)
    moved = ~original & (batch.goal[:, 0] % 1 != 0)
    assert moved.float().mean().item() == pytest.approx(0.75 * 0.5, abs=0.03)  # half of the ways are no way
    arrived = (places(batch.next_obs["vector"]).repeat(goals) - batch.goal[:, 0]).abs() <= 0.75
    assert batch.reward[moved].equal(-(~arrived[moved]).to(torch.float32)) and 0 < arrived[moved].float().mean() < 1


def test_mistakes_are_said_and_not_stored() -> None:
    """What would be broadcast, sampled from nothing, or taken for another strategy."""
    with pytest.raises(ValueError, match="no strategy 'futur'"):
        a_resting_object(strategy="futur")  # type: ignore[arg-type]
    ring = Ring(spec_of(20, 2, 1, 1, 1), goal_space=EnvironmentGoals(1, reached))
    goal = torch.zeros(2, 1, dtype=torch.float64)
    obs = {"vector": torch.zeros(2, 1)}
    step = torch.zeros(2, 1), -torch.ones(2), torch.zeros(2)
    with pytest.raises(ValueError, match="before the first add"):
        ring.storage.add(*step, obs, goal, goal)
    ring.storage.start(obs, goal, goal)
    with pytest.raises(ValueError, match="is empty"):
        ring.sample(4)
    with pytest.raises(ValueError, match=r"action has the shape \(1, 1\), and needs \(2, 1\)"):
        ring.storage.add(torch.zeros(1, 1), *step[1:], obs, goal, goal)
    with pytest.raises(ValueError, match=r"reward has the shape \(2, 1\), and needs \(2,\)"):
        ring.storage.add(step[0], step[1][:, None], step[2], obs, goal, goal)
    with pytest.raises(ValueError, match=r"vector has the shape \(2, 1\), and needs \(1, 1\)"):
        ring.storage.start(obs, goal, goal, torch.tensor([1]))
    for parts in ({}, obs | {"pixels": goal}):
        with pytest.raises(ValueError, match="the ring stores vector, and was given"):
            ring.storage.add(*step, parts, goal, goal)
    for wrong in ({"her_ratio": 1.5}, {"goal_tries": 0}, {"n_step": 0}, {"gamma": 95}, {"frame_stack": 0}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            a_resting_object(**wrong)
    assert len(ring) == 0 and ring.storage.cursors["newest"].tolist() == [0, 0]
    ring.storage.add(*step, obs, goal, goal)
    assert len(ring.sample(4).reward) == 4
