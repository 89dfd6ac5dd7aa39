"""Minibatches drawn ahead: the same ones in the same order, each before the one in front of it is done with."""

from __future__ import annotations

import itertools

import pytest
import torch

from replay import Batch, Prefetcher

GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"))
PARTS = 10  # tensors of a batch


def numbered(number: int) -> Batch:
    """All of it says `number`; large enough for a copy to take a while."""
    vector, goal, one = (torch.full(shape, float(number)) for shape in ((256, 10), (256, 3), (256,)))
    images = torch.full((256, 84, 84, 3), number, dtype=torch.uint8)
    obs = {"vector": vector, "pixels": images}
    return Batch(obs, obs, vector, one, one, goal, goal, goal)


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_it_hands_out_what_was_drawn_in_order_whatever_is_asked_for_at_once(device: str) -> None:
    """On a GPU that is behind with its work, and whose copies are late: nothing is read before it is there, and no
    memory that is still to be read is given away."""
    drawn = itertools.count()
    ahead = Prefetcher(lambda: [numbered(next(drawn))], torch.device(device))
    right: list[torch.Tensor] = []
    for count in (1, 0, 3, 2):
        for (batch,) in ahead.take(count):
            assert batch.reward.device.type == device
            if device == "cuda":
                torch.cuda._sleep(10_000_000)  # cycles
            right += [part.eq(len(right) // PARTS).all() for part in batch.tensors()]
            if ahead._copies is not None:
                with torch.cuda.stream(ahead._copies):
                    torch.cuda._sleep(20_000_000)
            del batch
    assert len(right) == 6 * PARTS and all(right)


def test_what_was_sampled_ahead_can_be_dropped() -> None:
    drawn = itertools.count()
    ahead = Prefetcher(lambda: [numbered(next(drawn))], torch.device("cpu"))
    for _ in ahead.take(1):
        pass
    ahead.forget()
    ((batch,),) = ahead.take(1)
    assert batch.reward[0] == 2


def test_the_next_is_drawn_once_the_one_before_has_been_used() -> None:
    events: list[str] = []

    def draw() -> list[Batch]:
        events.append("draw")
        return [numbered(0)]

    ahead = Prefetcher(draw, torch.device("cpu"))
    for _ in range(2):
        events.append("step of the loop")
        for _ in ahead.take(1):
            events.append("launch")
    assert events == ["step of the loop", "draw", "launch", "draw", "step of the loop", "launch", "draw"]
