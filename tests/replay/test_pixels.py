"""Images in the ring against a list of episodes: stacks, borders, several goals, shifts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from goals import EnvironmentGoals
from replay import Ring
from replay.augment import RandomShift, random_offsets, shift
from tests.replay.episodes import spec_of

LANES, LENGTHS = 2, (3, 5, 4, 7)


def image(lane: int, episode: int, step: int) -> Tensor:
    """One that tells whose it is: (2, 2, 3), every number different."""
    number = 12 * ((lane * len(LENGTHS) + episode) * 8 + step)
    return ((torch.arange(12) + number) % 251).to(torch.uint8).view(2, 2, 3)


def never(achieved: Tensor, desired: Tensor) -> Tensor:
    return -(achieved != desired).any(-1).to(torch.float32)


def played(ring: Ring, episodes: int = len(LENGTHS)) -> Ring:
    """Vectors say (lane, episode, step), goals (step, 0)."""

    def observation(episode: int, step: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        vector = torch.tensor([[lane, episode, step] for lane in range(LANES)], dtype=torch.float32)
        goal = torch.tensor([[step, 0.0]] * LANES, dtype=torch.float64)
        pixels = torch.stack([image(lane, episode, step) for lane in range(LANES)])
        return {"vector": vector, "pixels": pixels}, goal, goal + 100

    for episode in range(episodes):
        ring.storage.start(*observation(episode, 0))
        for step in range(1, LENGTHS[episode] + 1):
            ring.storage.add(
                torch.full((LANES, 1), float(step)), -torch.ones(LANES), torch.zeros(LANES), *observation(episode, step)
            )
    return ring


def new_ring(capacity: int, **options: Any) -> Ring:
    room = spec_of(capacity, LANES, 3, 2, 1, pixels=(2, 2, 3), file=options.pop("file", None))
    return Ring(room, goal_space=EnvironmentGoals(2, never), **options)


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("slots", [100, 9], ids=["roomy", "wrapped"])
def test_stacks_are_those_of_the_episode_alone(stack: int, slots: int) -> None:
    ring = played(new_ring(slots * LANES, frame_stack=stack))
    batch = ring.sample(300)
    oldest = 23 - slots  # of all observations of a lane, the first one that is still there
    before = [sum(length + 1 for length in LENGTHS[:episode]) for episode in range(len(LENGTHS))]
    for row in range(300):
        lane, episode, step = (int(value) for value in batch.obs["vector"][row])
        for pixels, last in ((batch.obs["pixels"][row], step), (batch.next_obs["pixels"][row], step + 1)):
            first = max(0, oldest - before[episode])
            expected = [image(lane, episode, max(first, last - back)) for back in range(stack - 1, -1, -1)]
            assert pixels.equal(torch.cat(expected, dim=-1))
    assert len({tuple(vector.tolist()) for vector in batch.obs["vector"]}) > 10


def test_several_goals_share_their_transitions() -> None:
    ring = played(new_ring(200, her_ratio=0.5, goal_tries=4))
    batch = ring.sample(64, goals=3)
    assert len(batch.obs["pixels"]) == len(batch.obs["vector"]) == 64 and len(batch.goal) == len(batch.reward) == 192
    steps = batch.obs["vector"][:, 2].repeat(3)
    assert batch.action[:, 0].equal(steps + 1)  # goal b belongs to transition b mod 64
    relabelled = batch.goal[:, 0] < 100
    assert 0.3 < relabelled.float().mean() < 0.7
    assert (batch.goal[relabelled, 0] > steps[relabelled]).all()  # future goals
    reached = batch.goal[:, 0] == steps + 1
    assert batch.reward.equal(torch.where(reached, 0.0, -1.0))
    assert not batch.goal[:64].equal(batch.goal[64:128])
    assert batch.achieved_goal[:, 0].equal(batch.obs["vector"][:, 2])
    parts = batch.split(64)
    assert len(parts) == 3 and all(part.obs is batch.obs for part in parts)
    assert parts[1].goal.equal(batch.goal[64:128]) and parts[1].next_obs is batch.next_obs


def test_a_shift_is_an_integer_crop_of_the_padded_image() -> None:
    pixels = torch.randint(256, (20, 9, 7, 3), dtype=torch.uint8)
    offset = random_offsets(20, 4, torch.Generator().manual_seed(0))
    shifted = shift(pixels, offset, 4)
    for one, image, (down, right) in zip(shifted, pixels, offset.tolist(), strict=True):
        padded = torch.nn.functional.pad(image.permute(2, 0, 1)[None].double(), (4,) * 4, mode="replicate")[0]
        crop = padded[:, 4 + down : 13 + down, 4 + right : 11 + right]
        assert one.equal(crop.permute(1, 2, 0).to(torch.uint8))
    assert set(offset.unique().tolist()) == set(range(-4, 5)) or len(offset.unique()) > 6


@pytest.mark.parametrize("shared", [True, False])
def test_shifts_are_shared_with_the_next_image_or_not(shared: bool) -> None:
    plain = played(new_ring(200)).sample(200)
    assert RandomShift(0, shared)(plain) is plain
    shifted = RandomShift(1, shared)(plain)
    assert plain.obs["vector"] is shifted.obs["vector"]
    offsets = [torch.tensor([down, right]) for down in (-1, 0, 1) for right in (-1, 0, 1)]

    def matches(after: Tensor, before: Tensor) -> Tensor:
        return torch.stack([(shift(before, o.expand(len(before), 2), 1) == after).flatten(1).all(1) for o in offsets])

    first, second = (
        matches(shifted.obs["pixels"], plain.obs["pixels"]),
        matches(shifted.next_obs["pixels"], plain.next_obs["pixels"]),
    )
    assert first.any(0).all() and second.any(0).all()
    assert (first & second).any(0).all() == shared


def test_images_on_disk_outlive_the_process(tmp_path: Path) -> None:
    file = tmp_path / "images"
    in_memory, on_disk = played(new_ring(18, seed=3), 3), played(new_ring(18, seed=3, file=file), 3)
    state = on_disk.state_dict()
    assert "pixels" not in state["tables"]
    state = {**state, "tables": {name: table.clone() for name, table in state["tables"].items()}}
    again = new_ring(18, file=file)
    again.load_state_dict(state)
    one, other = in_memory.sample(200), again.sample(200)
    assert one.obs["pixels"].equal(other.obs["pixels"]) and one.obs["vector"].equal(other.obs["vector"])

    with pytest.raises(ValueError, match="is not the whole of this ring's images"):
        new_ring(20, file=file)
    file.unlink()
    gone = new_ring(18, file=file, frame_stack=3)
    gone.load_state_dict(state)
    assert len(gone) == 0
