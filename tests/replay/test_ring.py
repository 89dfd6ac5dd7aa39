"""The ring against a list of episodes: what it holds, how often each transition is drawn, and with which goals."""

from __future__ import annotations

import copy
import io
from collections import Counter
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from goals import EnvironmentGoals
from replay import Batch, Ring
from replay.hindsight import Strategy
from tests.replay.episodes import GOES_ON, TERMINATED, TRUNCATED, Story, reward_of, rows_of, spec_of

CUT = "cut"  # start() while episodes are open
MANY = 4096  # draws that leave nothing out: the rarest row of the small rings below has probability 1 / 216


def new_ring(slots: int, lanes: int, **options: Any) -> Ring:
    sizes: dict[str, Any] = {"vector_size": 3, "goal_size": 2, "action_size": 1}
    sizes |= {name: options.pop(name) for name in sizes if name in options}
    chosen: dict[str, Any] = {"goal_space": EnvironmentGoals(2, reward_of), "gamma": 0.5} | options
    return Ring(spec_of(slots * lanes, lanes, **sizes), **chosen)


def a_story_with_wrapping(ring: Ring, steps: int = 60) -> Story:
    """Episodes of one step in lane 0, of three in lane 1, and of one without end in lane 2."""
    story = Story(ring)
    story.start()
    for step in range(steps):
        story.step([TERMINATED, TRUNCATED if step % 3 == 2 else GOES_ON, GOES_ON])
    return story


@st.composite
def stories(draw: st.DrawFn) -> tuple[int, int, list[Any]]:
    """Slots, lanes and what happens: in each step each lane goes on or ends, or every open episode is cut off."""
    lanes = draw(st.integers(1, 3))
    outcome = st.sampled_from([GOES_ON] * 4 + [TERMINATED, TRUNCATED])
    step = st.lists(outcome, min_size=lanes, max_size=lanes)
    events = draw(st.lists(st.one_of(step, step, step, step, st.just(CUT)), min_size=1, max_size=24))
    return draw(st.integers(2, 7)), lanes, events


# ---------------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("strategy", get_args(Strategy))
@settings(deadline=None, max_examples=30)
@given(told=stories(), her_ratio=st.sampled_from([0.0, 0.5, 1.0]), odd_slots=st.integers(0, 2))
def test_samples_are_exactly_the_rows_that_a_list_of_episodes_allows(
    strategy: Strategy, told: tuple[int, int, list[Any]], her_ratio: float, odd_slots: int
) -> None:
    """Both ways: nothing else is drawn, and all of it is. Each row names its observation, lane and episode."""
    slots, lanes, events = told
    capacity = slots * lanes + min(odd_slots, lanes - 1)  # what does not divide among the lanes is left over
    ring = Ring(
        spec_of(capacity, lanes, 3, 2, 1),
        goal_space=EnvironmentGoals(2, reward_of),
        strategy=strategy,
        her_ratio=her_ratio,
        gamma=0.5,
    )
    story = Story(ring)
    story.start()
    for event in events:
        if event == CUT:
            story.start()
        else:
            story.step(event)
    assert len(ring) == len(story.stored())
    if len(ring):
        assert set(rows_of(ring.sample(MANY))) == story.possible_rows()


def test_every_stored_transition_is_equally_likely() -> None:
    """Lanes whose episodes are short hold fewer transitions, and are drawn from less often."""
    story = a_story_with_wrapping(new_ring(20, lanes=3, her_ratio=0.0, seed=1))
    stored = [here.number for here, _, _ in story.stored()]
    per_lane = Counter(here.lane for here, _, _ in story.stored())
    assert per_lane[0] < per_lane[1] < per_lane[2]

    draws = 1000 * len(stored)
    counts = Counter(int(row[0]) for row in rows_of(story.ring.sample(draws)))
    assert sum(counts[number] for number in stored) == draws
    chi_square = sum((counts[number] - 1000) ** 2 / 1000 for number in stored)
    freedom = len(stored) - 1
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5  # its mean, and five standard deviations


def test_her_ratio_is_the_share_that_is_relabelled_and_every_future_goal_is_as_likely() -> None:
    ring = new_ring(20, lanes=3, her_ratio=0.8)
    story = a_story_with_wrapping(ring)
    rows = [row for row in rows_of(ring.sample(50_000)) if row[-3]]  # what terminates keeps its goal
    relabelled = [row for row in rows if row[-2] > 0]
    assert len(rows) > 30_000 and abs(len(relabelled) / len(rows) - 0.8) < 4 * (0.8 * 0.2 / len(rows)) ** 0.5

    first = story.lanes[2][-20]  # the oldest stored: nineteen later observations may lend their goal
    lent = Counter(row[-2] for row in relabelled if row[0] == first.number)
    expected = lent.total() / 19
    assert set(lent) == {one.number for one in story.lanes[2][-19:]}
    assert sum((count - expected) ** 2 / expected for count in lent.values()) < 18 + 5 * 36**0.5


def test_an_open_episode_lends_what_was_seen_so_far_and_later_more() -> None:
    def lent() -> set[int]:
        return {int(row[-2]) for row in rows_of(ring.sample(500))}

    ring = new_ring(10, lanes=1, her_ratio=1.0)
    story = Story(ring)
    story.start()
    story.step([GOES_ON])
    story.step([GOES_ON])
    assert lent() == {2, 3}
    story.step([TRUNCATED])  # 4 is its last observation, 5 opens the next episode
    assert lent() == {2, 3, 4}
    story.step([GOES_ON])
    assert lent() == {2, 3, 4, 6}
    story.start()  # cuts that episode off at 6; 7 opens another
    story.step([GOES_ON])
    assert lent() == {2, 3, 4, 6, 8}


def test_an_episode_longer_than_the_ring_goes_on_lending_what_is_left_of_it() -> None:
    story = Story(new_ring(5, lanes=1, strategy="episode", her_ratio=1.0))
    story.start()
    for outcome in [GOES_ON] * 11 + [TRUNCATED]:
        story.step([outcome])
        assert set(rows_of(story.ring.sample(1000))) == story.possible_rows()
    assert len(story.ring) == 3  # observations 10 to 13 and the next episode's first


def test_goals_that_differ_beyond_float32_are_told_apart() -> None:
    def same(achieved: Tensor, desired: Tensor) -> Tensor:
        return (achieved == desired).all(-1).to(torch.float32)

    ring = new_ring(4, lanes=1, strategy="final", her_ratio=1.0, goal_space=EnvironmentGoals(2, same))
    goals = [torch.tensor([[1.0 + step * 1e-12, 0.0]], dtype=torch.float64) for step in range(3)]
    ring.storage.start({"vector": torch.zeros(1, 3)}, goals[0], goals[0])
    for step in (1, 2):
        vector = torch.full((1, 3), float(step))
        ring.storage.add(torch.zeros(1, 1), torch.zeros(1), torch.zeros(1), {"vector": vector}, goals[step], goals[0])
    batch = ring.sample(100)
    assert batch.reward.equal((batch.next_obs["vector"][:, 0] == 2).to(torch.float32))


# ---------------------------------------------------------------------- seeds and saving


def samples(ring: Ring) -> list[Tensor]:
    return [value for _ in range(3) for value in ring.sample(64).tensors()]


def equal(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(one.equal(other) for one, other in zip(left, right, strict=True))


def test_the_seed_decides_the_samples_and_nothing_else_does() -> None:
    one, same, other = (a_story_with_wrapping(new_ring(20, lanes=3, seed=seed)).ring for seed in (5, 5, 6))
    before = torch.get_rng_state()
    drawn = samples(one)
    assert torch.get_rng_state().equal(before)
    torch.rand(7)
    assert equal(samples(same), drawn)
    assert not equal(samples(other), drawn)


@pytest.mark.parametrize("steps", [0, 7, 60], ids=["just opened", "not yet full", "wrapped"])
def test_a_loaded_ring_continues_bit_for_bit(steps: int) -> None:
    ring = new_ring(20, lanes=3)
    story = a_story_with_wrapping(ring, steps)
    if steps:
        ring.sample(10)  # the generator is somewhere in its stream
    file = io.BytesIO()
    torch.save(ring.state_dict(), file)
    file.seek(0)
    other = a_story_with_wrapping(new_ring(20, lanes=3, seed=9), steps=31).ring  # held something else
    other.load_state_dict(torch.load(file, weights_only=True))
    assert len(other) == len(ring)
    if steps:
        assert equal(samples(other), samples(ring))

    told = copy.copy(story)
    told.ring, told.lanes = other, copy.deepcopy(story.lanes)
    for one in (story, told):  # both go on from there, and end the open episodes
        for outcomes in ([GOES_ON, GOES_ON, TRUNCATED], [TERMINATED, GOES_ON, GOES_ON]):
            one.step(outcomes)
    assert equal(samples(other), samples(ring))


@pytest.mark.parametrize("steps", [3, 60])
def test_saving_copies_nothing_and_writes_only_what_was_stored(steps: int) -> None:
    """Images may fill most of the memory: a second copy of them would not fit."""
    ring = a_story_with_wrapping(new_ring(3000, lanes=3), steps=steps).ring
    state, file = ring.state_dict(), io.BytesIO()
    rows = (int(ring.storage.cursors["newest"].max()) + 1) * 3
    for name, table in state["tables"].items():
        assert len(table) == rows and table.data_ptr() == ring.storage.tables[name].data_ptr()
    torch.save(state["tables"], file)
    assert file.tell() < sum(table.nbytes for table in state["tables"].values()) + 30_000


@pytest.mark.parametrize("option", ["slots", "lanes", "vector_size", "goal_size", "action_size"])
def test_the_state_of_a_ring_of_another_shape_is_refused_and_changes_nothing(option: str) -> None:
    options = {"slots": 6, "lanes": 3, "vector_size": 3, "goal_size": 2, "action_size": 1}
    others = {"slots": 7, "lanes": 2, "vector_size": 1, "goal_size": 1, "action_size": 2}
    foreign = new_ring(**options | {option: others[option]})  # one column would spread over many without an error
    ring = a_story_with_wrapping(new_ring(**options)).ring
    before = ring.state_dict()
    with pytest.raises(ValueError, match="saved ring"):
        ring.load_state_dict(foreign.state_dict())
    assert all(table.equal(before["tables"][name]) for name, table in ring.storage.tables.items())
    assert all(cursor.equal(before["cursors"][name]) for name, cursor in ring.storage.cursors.items())


def test_a_ring_without_room_for_a_transition_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        Ring(spec_of(7, 4, 3, 2, 1), goal_space=EnvironmentGoals(2, reward_of))


def test_a_batch_is_cut_into_minibatches_in_order() -> None:
    batch = a_story_with_wrapping(new_ring(20, lanes=3)).ring.sample(96)
    parts = batch.split(32)
    assert [len(part.reward) for part in parts] == [32, 32, 32]
    assert all(isinstance(part, Batch) for part in parts)
    assert [row for part in parts for row in rows_of(part)] == rows_of(batch)


@pytest.mark.parametrize("slots", [20, 6], ids=["roomy", "wrapped"])
def test_what_follows_a_transition_is_what_the_list_of_episodes_says(slots: int) -> None:
    story = a_story_with_wrapping(new_ring(slots, lanes=3), steps=29)
    batch = story.ring.sample(500, goals=2, horizon=4)
    future = batch.future
    assert future is not None and future.action.shape == (500, 4, 1) and future.obs["vector"].shape == (500, 4, 3)
    by_number = {one.number: one for lane in story.lanes for one in lane}
    lengths = set()
    for row, number in enumerate(batch.obs["vector"][:, 0].int().tolist()):
        here = by_number[number]
        lane = story.lanes[here.lane]
        at = lane.index(here)
        following = [one for one in lane[at + 1 : at + 5] if one.episode == here.episode]
        lengths.add(len(following))
        assert future.mask[row].tolist() == [n < len(following) for n in range(4)]
        for n, one in enumerate(following):
            assert tuple(future.obs["vector"][row, n].tolist()) == one.vector
            assert future.action[row, n].item() == lane[at + n].action
    assert lengths == {1, 2, 3, 4}
    assert future.obs["vector"][:, 0].equal(batch.next_obs["vector"]) and future.action[:, 0].equal(batch.action[:500])
    first, second = batch.split(500)
    assert first.future is future and second.future is future
