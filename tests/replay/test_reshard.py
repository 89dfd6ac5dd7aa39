"""Rings cut along their environments, against the list of episodes that they were told."""

from __future__ import annotations

import pytest
import torch

from replay import reshard
from tests.replay.episodes import rows_of
from tests.replay.test_ring import MANY, a_story_with_wrapping, new_ring


@pytest.mark.parametrize("steps", [3, 60])  # before and after the ring has wrapped
def test_a_part_holds_the_episodes_of_its_lanes_and_all_parts_together_all(steps: int) -> None:
    story = a_story_with_wrapping(new_ring(7, 3, her_ratio=0.5), steps)
    possible, state = story.possible_rows(), story.ring.state_dict()
    parts = [reshard.cut(state, slice(0, 1)), reshard.cut(state, slice(1, 3))]
    generator = {"generator": torch.Generator().manual_seed(0).get_state()}
    for saved, count, of_lanes in ((parts[0], 1, {0}), (parts[1], 2, {1, 2}), (reshard.joined(parts), 3, {0, 1, 2})):
        ring = new_ring(7, count, her_ratio=0.5)
        ring.load_state_dict(saved | generator)
        assert set(rows_of(ring.sample(MANY))) == {row for row in possible if row[1] in of_lanes}


def test_rings_of_other_sizes_are_not_joined() -> None:
    parts = [a_story_with_wrapping(new_ring(slots, 3)).ring.state_dict() for slots in (7, 8)]
    with pytest.raises(ValueError, match=r"saved rings of \[7, 8\] slots cannot be joined"):
        reshard.joined(parts)
