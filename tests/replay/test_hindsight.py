"""Hindsight: which moment lends its goal, against a loop over the moments, and what relabelling keeps."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from replay.hindsight import Strategy, goal_time, relabel

LENDING: tuple[Strategy, ...] = ("future", "final", "episode")
JUST_BELOW_ONE = math.nextafter(1.0, 0.0)

Moment = tuple[int, int, int]  # time, start, end


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    """A step of an episode: start <= time < end. Times grow for ever, so they are large ones too."""
    start = draw(st.integers(0, 2**40))
    end = start + draw(st.integers(1, 60))
    return draw(st.integers(start, end - 1)), start, end


uniforms = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, JUST_BELOW_ONE])


def lenders(strategy: Strategy, moment: Moment) -> list[int]:
    """Every time that may lend its goal, in order. The first observation was achieved by no action: it never lends."""
    time, start, end = moment
    allowed = []
    for candidate in range(start, end + 1):
        if strategy == "future":
            lends = candidate > time
        elif strategy == "episode":
            lends = candidate > start
        else:
            lends = candidate == end
        if lends:
            allowed.append(candidate)
    return allowed


def goal_times(strategy: Strategy, moments: list[Moment], uniform: list[float]) -> list[int]:
    time, start, end = torch.tensor(moments).T
    return goal_time(strategy, time, start, end, torch.tensor(uniform, dtype=torch.float64)).tolist()


@pytest.mark.parametrize("strategy", LENDING)
@settings(deadline=None, max_examples=60)
@given(drawn=st.lists(st.tuples(moments(), uniforms), min_size=1, max_size=20))
def test_the_uniform_number_picks_among_the_moments_that_a_loop_allows(
    strategy: Strategy, drawn: list[tuple[Moment, float]]
) -> None:
    expected = []
    for moment, uniform in drawn:
        allowed = lenders(strategy, moment)
        expected.append(allowed[int(uniform * len(allowed))])
    assert goal_times(strategy, [moment for moment, _ in drawn], [uniform for _, uniform in drawn]) == expected


@pytest.mark.parametrize("strategy", LENDING)
@settings(deadline=None, max_examples=60)
@given(moment=moments())
def test_every_allowed_moment_is_reached_and_equally_often(strategy: Strategy, moment: Moment) -> None:
    allowed = lenders(strategy, moment)
    rows = 8 * len(allowed)  # an even grid over [0, 1) lays eight numbers into each allowed moment's share
    uniform = [(row + 0.5) / rows for row in range(rows)]
    assert Counter(goal_times(strategy, [moment] * rows, uniform)) == dict.fromkeys(allowed, 8)


def test_a_uniform_number_next_to_one_stays_within_the_episode() -> None:
    """However long the episode, the product with the number of moments is not rounded up to that number."""
    ends = list(range(4, 3000))
    for strategy in LENDING:
        assert goal_times(strategy, [(3, 0, end) for end in ends], [JUST_BELOW_ONE] * len(ends)) == ends


def lopsided(achieved: Tensor, desired: Tensor) -> Tensor:
    """A reward that tells its arguments apart, and goals that differ beyond float32."""
    return ((achieved[:, 0] - 3 * desired[:, 0]) * 1e9).to(torch.float32)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["none", "half", "all"])
def test_relabelling_changes_goal_and_reward_where_it_should_and_nothing_elsewhere(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    new, desired, achieved = (torch.rand(50, 2, dtype=torch.float64, generator=generator) * 1e-6 for _ in range(3))
    stored = torch.rand(50, generator=generator)
    chosen = torch.rand(50, generator=generator) < share
    goal, reward = relabel(lopsided, chosen, new, desired, achieved, stored)
    assert goal.dtype == torch.float64
    assert reward.dtype == torch.float32
    for row in range(50):
        if chosen[row]:
            assert goal[row].equal(new[row])
            assert reward[row] == lopsided(achieved[row : row + 1], new[row : row + 1])
        else:
            assert goal[row].equal(desired[row])
            assert reward[row] == stored[row]
