"""Storage of the ring: preallocated tables of single observations, of each environment in turn.

Every observation is stored once: the next observation of time t is the observation of time t + 1. An episode of T
steps takes T + 1 slots, because its last observation is stored too, in a slot without a transition. So each environment
also has a list of its transitions' times, oldest first. Sampling from this list is uniform over all stored transitions,
whatever the episodes' lengths, with no rejection and no loop over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from replay.batch import Observation
from replay.on_disk import OnDisk

OPEN = -1  # the end of an episode that is still being played


@dataclass(frozen=True)
class RingSpec:
    """Sizes, contents and location of a storage."""

    capacity: int  # observations, of all environments together
    num_envs: int  # N
    observations: Mapping[str, tuple[tuple[int, ...], torch.dtype]]  # shape and dtype of each part, a single image's
    goal_size: int  # G
    action_size: int  # A
    device: torch.device | str = "cpu"
    file: Path | None = None  # holds "pixels" instead of memory; an existing file is taken over as it is


class Storage:
    """Tables and cursors, and the methods that write them; `replay/saving.py` saves them.

    Time counts an environment's observations from 0 and never wraps; the slot of time t is t mod slots. All tables are
    flat, (slots * N, ...) for N environments, so that one `index_select` gathers a batch. Sizes and cursors are device
    tensors that are changed in place, so that a captured graph sees them.
    """

    def __init__(self, spec: RingSpec) -> None:
        self.num_envs, self.slots = spec.num_envs, spec.capacity // spec.num_envs
        if self.slots < 2:
            raise ValueError(
                f"a buffer of {spec.capacity} has no room for a transition of each of {spec.num_envs} environments"
            )
        self.device = torch.device(spec.device)

        def table(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            # Writing zeros touches every page: too little memory fails now, not hours later.
            rows = self.slots * self.num_envs
            return torch.empty(rows, *shape, dtype=dtype, device=self.device).fill_(0)

        self.tables = {
            "achieved_goal": table(spec.goal_size, dtype=torch.float64),
            "desired_goal": table(spec.goal_size, dtype=torch.float64),
            "action": table(spec.action_size),
            "reward": table(),
            "terminated": table(),
            "start": table(dtype=torch.int64),  # time of the episode's first observation
            "end": table(dtype=torch.int64),  # time of its last one, or OPEN
            "transition": table(dtype=torch.int64),  # an environment's n-th transition -> its time, at n mod slots
        }
        self.observations = tuple(spec.observations)  # names of tables too
        self.on_disk: OnDisk | None = None
        for name, (shape, dtype) in spec.observations.items():
            if name == "pixels" and spec.file is not None:
                self.on_disk = OnDisk(spec.file, (self.slots * self.num_envs, *shape))
                self.tables[name] = self.on_disk.pixels
            else:
                self.tables[name] = table(*shape, dtype=dtype)

        def cursor(value: int) -> Tensor:
            return torch.full((self.num_envs,), value, dtype=torch.int64, device=self.device)

        self.cursors = {
            "newest": cursor(-1),  # time of the latest observation
            "added": cursor(0),  # transitions ever stored
            "lost": cursor(0),  # transitions overwritten since
            "start": cursor(0),  # time of the open episode's first observation
            "intact": cursor(0),  # oldest time whose image on disk has not been overwritten; at most `newest`
        }
        self.all_envs = torch.arange(self.num_envs, device=self.device)
        self.success_reward = math.inf  # lowest reward of a success that ends its episode; infinite if none does
        # Facts once read from the cursors, to avoid waiting for the device again.
        self.has_begun, self.has_transitions = False, False

    def __len__(self) -> int:
        """Transitions that can be sampled. Waits for the device: not for the hot path."""
        return int((self.cursors["added"] - self.cursors["lost"]).sum())

    # ------------------------------------------------------------------ writing

    def start(
        self, obs: Observation, achieved_goal: Tensor, desired_goal: Tensor, env_indices: Tensor | None = None
    ) -> None:
        """Open episodes with their first observations. Episodes still open end at their newest observation.

        Args:
            obs: parts by name, (N, ...); images are not stacked.
            achieved_goal, desired_goal: (N, G) float64.
            env_indices: the environments (N,); None for all of them.
        """
        env_indices = self.all_envs if env_indices is None else env_indices
        self._check(len(env_indices), obs, achieved_goal=achieved_goal, desired_goal=desired_goal)
        for env_index in env_indices.tolist():
            end = int(self.cursors["newest"][env_index])
            start = max(int(self.cursors["start"][env_index]), end - self.slots + 1)
            if end >= 0:  # tell every stored observation of the open episode where it ended
                times = torch.arange(start, end + 1, device=self.device)
                self.tables["end"][self.row(times, torch.as_tensor(env_index, device=self.device))] = end
        self._push(env_indices, obs, achieved_goal, desired_goal, opens_episode=True)

    def add(
        self,
        action: Tensor,
        reward: Tensor,
        terminated: Tensor,
        obs: Observation,
        achieved_goal: Tensor,
        desired_goal: Tensor,
    ) -> None:
        """Store one step of every environment: the action at the newest observation, its outcome, the next observation.

        Args:
            action (N, A), reward (N,), terminated (N,).
            obs, achieved_goal, desired_goal: the next observation, as for `start`; where the episode ended, its last
                observation (`final_obs`), to be followed by `start`.
        """
        goals = {"achieved_goal": achieved_goal, "desired_goal": desired_goal}
        self._check(self.num_envs, obs, action=action, reward=reward, terminated=terminated, **goals)
        added, newest = self.cursors["added"], self.cursors["newest"]
        if not self.has_begun:
            if newest.min() < 0:
                raise ValueError("start() opens an episode in every environment, before the first add()")
            self.has_begun = True
        here = self.row(newest, self.all_envs)
        self.tables["action"][here] = action
        self.tables["reward"][here] = reward.to(torch.float32)
        self.tables["terminated"][here] = terminated.to(torch.float32)
        self.tables["transition"][self.row(added, self.all_envs)] = newest
        added += 1
        self._push(self.all_envs, obs, achieved_goal, desired_goal, opens_episode=False)

    def _check(self, rows: int, obs: Observation, **parts: Tensor) -> None:
        """Raise ValueError unless all parts are there, with `rows` rows of what is stored: other shapes would be
        broadcast."""
        if set(obs) != set(self.observations):
            raise ValueError(f"the ring stores {', '.join(self.observations)}, and was given {', '.join(obs)}")
        for name, part in (obs | parts).items():
            if part.shape != (shape := (rows, *self.tables[name].shape[1:])):
                raise ValueError(f"{name} has the shape {tuple(part.shape)}, and needs {shape}: {rows} environments")

    @property
    def written(self) -> int:
        """Number of written rows, which are the first rows of the tables. Waits for the device."""
        return min(int(self.cursors["newest"].max()) + 1, self.slots) * self.num_envs

    def check_not_empty(self) -> None:
        """Raise ValueError if there is no transition. Waits for the device only until a first one was found."""
        if not self.has_transitions:
            if not len(self):
                raise ValueError("the ring is empty: store a transition before sampling")
            self.has_transitions = True

    def row(self, time: Tensor, env_indices: Tensor) -> Tensor:
        """Row of the flat tables for `time` of `env_indices`."""
        return time % self.slots * self.num_envs + env_indices

    def _push(
        self,
        env_indices: Tensor,
        obs: Observation,
        achieved: Tensor,
        desired: Tensor,
        opens_episode: bool,
    ) -> None:
        self.cursors["newest"][env_indices] += 1
        time = self.cursors["newest"][env_indices]
        lost = self.cursors["lost"][env_indices]
        # The slot may have held the environment's oldest transition, now lost; a slot without a transition loses none.
        oldest = self.tables["transition"][self.row(lost, env_indices)]
        overwritten = (oldest <= time - self.slots) & (lost < self.cursors["added"][env_indices])
        self.cursors["lost"][env_indices] = lost + overwritten
        if opens_episode:
            self.cursors["start"][env_indices] = time
        here = self.row(time, env_indices)
        self.tables["achieved_goal"][here] = achieved
        self.tables["desired_goal"][here] = desired
        for name in self.observations:
            if name == "pixels" and self.on_disk is not None:
                self.on_disk.write(here, obs[name])
            else:
                self.tables[name][here] = obs[name]
        self.tables["start"][here] = self.cursors["start"][env_indices]
        self.tables["end"][here] = OPEN

    def index(self, time: Tensor, env_indices: Tensor) -> Tensor:
        """Number of the observation of `env_indices` at `time`, unique even after its row is overwritten."""
        return time * self.num_envs + env_indices

    def rewrite(self, name: str, index: Tensor, values: Tensor) -> None:
        """Replace the rows of table `name` of the observations `index` (R,) by `values` (R, G), except observations
        that were overwritten meanwhile. Waits for values on another device."""
        index, values = index.to(self.device), values.to(self.device)
        time, env_index = index // self.num_envs, index % self.num_envs
        rows, held = self.row(time, env_index), time >= self.oldest_time(env_index)
        self.tables[name].index_copy_(0, rows, torch.where(held[:, None], values, self.gather(name, rows)))

    def gather(self, name: str, rows: Tensor) -> Tensor:
        """Values (B, ...) of table `name` at `rows` (B,)."""
        return self.tables[name].index_select(0, rows)

    def read(self, name: str, env_index: Tensor, time: Tensor) -> Tensor:
        """Values (B, ...) of table `name` for `env_index` (B,) at `time` (B,); in "transition" of transition `time`."""
        return self.gather(name, self.row(time, env_index))

    def oldest_time(self, env_index: Tensor) -> Tensor:
        """Time of the oldest observation still stored of each `env_index` (B,); its image on disk may be lost."""
        return self.cursors["newest"][env_index] - self.slots + 1

    def oldest_image(self, env_index: Tensor) -> Tensor:
        """Time of the oldest image still stored of each `env_index` (B,)."""
        return torch.maximum(self.oldest_time(env_index), self.cursors["intact"][env_index])

    def number_beyond(self, state: dict[str, Any]) -> None:
        """Number new images on disk beyond the numbers in `state`, as another ring may still continue from `state`."""
        if self.on_disk is not None:
            self.on_disk.latest = max(self.on_disk.latest, int(state["tables"]["number"].max()))
