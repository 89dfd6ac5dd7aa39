"""Runs that are killed, in plain Python that knows which observation's image each slot of their file holds."""

from __future__ import annotations

import copy
import io
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor

from goals import EnvironmentGoals
from replay import Ring
from tests.replay.episodes import reward_of, spec_of


@dataclass
class Observation:
    """What a lane saw at a time; `number` is unlike that of any other, of this run or of one that was killed."""

    number: int
    first: int  # time of its episode's first observation
    acted: bool = False  # what came next is known


def image_of(number: int) -> Tensor:
    """(2, 2, 3) uint8: the number's four bytes, three times."""
    return torch.tensor(list(number.to_bytes(4, "little")) * 3, dtype=torch.uint8).view(2, 2, 3)


def numbers_of(stacks: Tensor) -> list[tuple[int, ...]]:
    """The images' numbers in each of the stacks (B, 2, 2, S * 3); -1 for an image that is put together of several."""
    images = stacks.unflatten(-1, (-1, 3)).movedim(3, 1).flatten(2).unflatten(2, (3, 4)).long()  # (B, S, 3, 4)
    numbers = (images * torch.tensor([1, 2**8, 2**16, 2**24])).sum(-1)
    whole = (numbers == numbers[..., :1]).all(-1)
    return [tuple(stack) for stack in torch.where(whole, numbers[..., 0], -1).tolist()]


class Runs:
    """Runs with one folder, one after another, each killed: a ring on a file, and what is true of it."""

    def __init__(self, folder: Path, slots: int, lanes: int, stack: int, seed: int) -> None:
        self.path, self.slots, self.stack, self.random = folder / "images", slots, stack, Random(seed)
        self.everywhere = list(range(lanes))
        self.numbers = 0
        self.file: list[dict[int, int]] = [{} for _ in self.everywhere]  # of each lane: slot -> number
        self.seen: list[list[Observation]] = [[] for _ in self.everywhere]  # of each lane, by time
        self.intact = [0 for _ in self.everywhere]  # of each lane: time from which on the file holds what was seen
        self.images = self.wrong = 0  # sampled, and of those the ones that are of another observation
        self.ring = self.new_ring()
        self.open_everywhere()
        self.save()

    def new_ring(self) -> Ring:
        lanes = len(self.everywhere)
        room = spec_of(self.slots * lanes, lanes, 1, 2, 1, pixels=(2, 2, 3), file=self.path)
        return Ring(room, goal_space=EnvironmentGoals(2, reward_of), frame_stack=self.stack)

    # ------------------------------------------------------------------ what happens

    def see(self, lanes: list[int], opens: bool) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        for lane in lanes:
            self.numbers += 1
            past = self.seen[lane]
            past.append(Observation(self.numbers, len(past) if opens else past[-1].first))
            self.file[lane][(len(past) - 1) % self.slots] = self.numbers
        numbers = [self.seen[lane][-1].number for lane in lanes]
        vector = torch.tensor(numbers, dtype=torch.float32)[:, None]
        goal = vector.double().expand(-1, 2)
        return {"vector": vector, "pixels": torch.stack([image_of(number) for number in numbers])}, goal, goal

    def open_everywhere(self) -> None:
        self.ring.storage.start(*self.see(self.everywhere, opens=True))

    def step(self) -> None:
        lanes = len(self.everywhere)
        for past in self.seen:
            past[-1].acted = True
        self.ring.storage.add(
            torch.zeros(lanes, 1), torch.zeros(lanes), torch.zeros(lanes), *self.see(self.everywhere, opens=False)
        )
        if done := [lane for lane in self.everywhere if self.random.random() < 0.2]:
            self.ring.storage.start(*self.see(done, opens=True), torch.tensor(done))

    def save(self) -> None:
        """The checkpoint, as it lies on a disk."""
        self.saved = io.BytesIO()
        torch.save(self.ring.state_dict(), self.saved)
        self.then = copy.deepcopy((self.seen, self.intact))

    def loaded(self) -> dict[str, Any]:
        self.saved.seek(0)
        return dict(torch.load(self.saved, weights_only=True))

    def resume(self) -> None:
        """After a kill, from the last checkpoint."""
        self.ring = self.new_ring()
        self.ring.load_state_dict(self.loaded())
        self.seen, self.intact = copy.deepcopy(self.then)
        for lane, past in enumerate(self.seen):
            newest = len(past) - 1
            self.file[lane][newest % self.slots] = past[-1].number  # a checkpoint has it
            for time in range(max(0, newest - self.slots + 1), newest):
                if self.file[lane].get(time % self.slots) != past[time].number:
                    self.intact[lane] = max(self.intact[lane], time + 1)

    def resume_empty(self) -> None:
        """As --resume-without-replay."""
        self.ring = self.new_ring()
        self.ring.storage.number_beyond(self.loaded())
        self.seen, self.intact = [[] for _ in self.everywhere], [0 for _ in self.everywhere]
        self.open_everywhere()

    def lose_file(self) -> None:
        """It is removed, and a run that makes it anew is killed at once."""
        self.path.unlink()
        self.new_ring()
        self.file = [{} for _ in self.everywhere]

    # ------------------------------------------------------------------ what must be true

    def oldest(self, lane: int) -> int:
        return max(0, len(self.seen[lane]) - self.slots, self.intact[lane])

    def stack_of(self, lane: int, time: int) -> tuple[int, ...]:
        past = self.seen[lane]
        first = max(past[time].first, self.oldest(lane))
        return tuple(past[max(first, time - back)].number for back in range(self.stack - 1, -1, -1))

    def check(self) -> None:
        """Every transition whose images are all there can be sampled, no other, each with its own images."""
        where = {one.number: (lane, time) for lane, past in enumerate(self.seen) for time, one in enumerate(past)}
        held = {
            one.number
            for lane, past in enumerate(self.seen)
            for time, one in enumerate(past)
            if one.acted and time >= self.oldest(lane)
        }
        sampled: set[int] = set()
        stacks: list[tuple[int, int, tuple[int, ...]]] = []
        if len(self.ring):
            batch = self.ring.sample(20 * len(self.ring))
            numbers = [int(number) for number in batch.obs["vector"]]
            rows = set(zip(numbers, numbers_of(batch.obs["pixels"]), numbers_of(batch.next_obs["pixels"]), strict=True))
            for number, here, following in rows:
                lane, time = where[number]
                stacks += [(lane, time, here), (lane, time + 1, following)]
            sampled.update(numbers)
        self.images += self.stack * len(stacks)
        self.wrong += sum(self.of_others(*stack) for stack in stacks)
        assert not self.wrong, f"{self.wrong} of {self.images} images are of other observations"
        assert all(found == self.stack_of(lane, time) for lane, time, found in stacks)
        assert sampled == held and len(self.ring) == len(held)

    def of_others(self, lane: int, time: int, found: tuple[int, ...]) -> int:
        """How many images of a stack show neither its observation nor one before it in the same episode."""
        past = self.seen[lane]
        own = [one.number for one in past[past[time].first : time + 1]]
        return sum(number not in own for number in found[:-1]) + (found[-1] != own[-1])
