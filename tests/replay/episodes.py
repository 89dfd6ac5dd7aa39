"""The replay as lists of episodes in plain Python: the model that the ring is compared with.

Every observation has a number of its own, and every field of a transition is made of numbers, so that a sampled row
shows which observation, lane and episode each of its parts came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from replay import Batch, Ring, RingSpec

GOES_ON, TERMINATED, TRUNCATED = "goes on", "terminated", "truncated"

Row = tuple[float, ...]  # a sampled transition, all fields in a row


def reward_of(achieved: Tensor, desired: Tensor) -> Tensor:
    """Tells every pair of goals apart. Positive for achieved goals; what the environment paid is negative."""
    return (1000 * achieved[:, 0] + desired[:, 1]).to(torch.float32)


def spec_of(
    capacity: int,
    lanes: int,
    vector_size: int,
    goal_size: int,
    action_size: int,
    pixels: tuple[int, int, int] | None = None,
    **options: Any,
) -> RingSpec:
    """A ring of `lanes` environments for vectors, and images of the shape `pixels` beside them."""
    observations: dict[str, Any] = {"vector": ((vector_size,), torch.float32)}
    if pixels is not None:
        observations["pixels"] = pixels, torch.uint8
    return RingSpec(capacity, lanes, observations, goal_size, action_size, **options)


@dataclass
class Observation:
    """What was seen, and what was done there: `outcome` is None for an episode's last observation."""

    number: int
    lane: int
    episode: int
    outcome: str | None = None

    @property
    def vector(self) -> Row:
        return float(self.number), float(self.lane), float(self.episode)

    @property
    def achieved_goal(self) -> Row:
        return float(self.number), self.number + 0.25

    @property
    def desired_goal(self) -> Row:
        return -float(self.episode), -self.episode - 0.25

    @property
    def action(self) -> float:
        return self.number + 0.5

    @property
    def reward(self) -> float:
        return -float(self.number)


class Story:
    """Tells a ring and the model the same episodes."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.lanes: list[list[Observation]] = [[] for _ in range(ring.storage.num_envs)]
        self.numbers = self.episodes = 0

    def start(self) -> None:
        everywhere = list(range(len(self.lanes)))
        self._open(everywhere)
        self.ring.storage.start(*self._latest(everywhere))

    def step(self, outcomes: Sequence[str]) -> None:
        latest = [lane[-1] for lane in self.lanes]
        for lane, outcome in enumerate(outcomes):
            latest[lane].outcome = outcome
            self._see(lane, latest[lane].episode)
        self.ring.storage.add(
            torch.tensor([[seen.action] for seen in latest]),
            torch.tensor([seen.reward for seen in latest]),
            torch.tensor([outcome == TERMINATED for outcome in outcomes]),
            *self._latest(range(len(self.lanes))),
        )
        ended = [lane for lane, outcome in enumerate(outcomes) if outcome != GOES_ON]
        if ended:
            self._open(ended)
            self.ring.storage.start(*self._latest(ended), torch.tensor(ended))

    def _see(self, lane: int, episode: int) -> None:
        self.numbers += 1
        self.lanes[lane].append(Observation(self.numbers, lane, episode))

    def _open(self, lanes: Sequence[int]) -> None:
        for lane in lanes:
            self.episodes += 1
            self._see(lane, self.episodes)

    def _latest(self, lanes: Sequence[int]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        seen = [self.lanes[lane][-1] for lane in lanes]
        return (
            {"vector": torch.tensor([one.vector for one in seen])},
            torch.tensor([one.achieved_goal for one in seen], dtype=torch.float64),
            torch.tensor([one.desired_goal for one in seen], dtype=torch.float64),
        )

    # ------------------------------------------------------------------ what the model says

    def stored(self) -> list[tuple[Observation, Observation, list[Observation]]]:
        """Each transition that is still there: its observation, the next one, and what is left of its episode."""
        transitions = []
        for lane in self.lanes:
            left = lane[-self.ring.storage.slots :]
            for here, following in pairwise(left):
                if here.outcome is not None:
                    assert here.episode == following.episode
                    transitions.append((here, following, [one for one in left if one.episode == here.episode]))
        return transitions

    def possible_rows(self) -> set[Row]:
        """Every transition with every goal that it may be sampled with."""
        rows = set()
        beginnings = {one.episode: one for lane in self.lanes for one in reversed(lane)}
        for here, following, episode in self.stored():
            lenders = {
                "future": [one for one in episode if one.number > here.number],
                "episode": [one for one in episode if one is not beginnings[here.episode]],
                "final": episode[-1:],
                "none": [],
            }[self.ring.strategy]
            if self.ring.her_ratio < 1 or here.outcome == TERMINATED:  # which keeps its goal
                rows.add(_row(here, following, here.reward, here.desired_goal))
            if self.ring.her_ratio > 0 and here.outcome != TERMINATED:
                for lender in lenders:
                    goal = torch.tensor([lender.achieved_goal])
                    reward = reward_of(torch.tensor([following.achieved_goal]), goal)
                    rows.add(_row(here, following, float(reward), lender.achieved_goal))
        return rows


def _row(here: Observation, following: Observation, reward: float, goal: Row) -> Row:
    goes_on = float(here.outcome != TERMINATED)
    return (*here.vector, here.action, reward, *following.vector, goes_on, *goal)


def rows_of(batch: Batch) -> list[Row]:
    """A batch in the model's words."""
    columns = (
        batch.obs["vector"], batch.action, batch.reward[:, None], batch.next_obs["vector"],
        batch.discount[:, None] / 0.5, batch.goal,
    )  # fmt: skip
    assert all(column.dtype == torch.float32 for column in columns)
    return [tuple(row) for row in torch.cat(columns, dim=1).tolist()]
