"""A preallocated ring of single observations, one lane for each environment.

Every observation is stored once: the next observation of time t is the observation of time t + 1. An episode of T
steps takes T + 1 slots, for its last observation is stored too, and is the one slot that holds no transition. So a
lane also keeps a list of the times that are transitions, oldest first, and sampling draws from that list: uniform
over everything stored, whatever the episodes' lengths, with no rejection and no loop over the batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from replay.batch import Batch
from replay.hindsight import RewardFn, Strategy, first_open, goal_time, relabel

OPEN = -1  # the end of an episode that is still being played


class Ring:
    """The replay buffer.

    Time counts a lane's observations from 0 and never wraps; the slot of time t is t mod slots. All tables are flat,
    (slots * lanes, ...), so that one `index_select` gathers a batch. Sizes and cursors are device tensors that are
    changed in place, so that a captured graph would see them.

    Args:
        capacity: observations in all lanes together.
        num_envs: lanes.
        vector_size, goal_size, action_size: V, G, A.
        reward_fn: rewards of relabelled transitions.
        strategy, her_ratio: whose goals are lent, and to what share of a batch.
        goal_tries: draws for each relabelled transition until one has a goal that it had not reached already (as in
            filtered HER, Manela and Biess 2021). An object that nobody moves is at every later goal from the start:
            early on nearly all relabelled transitions are of that kind, and teach only to leave it alone.
        relative_goals: hand out goals as seen from the achieved goal, desired - achieved.
        device: where everything lives.
        seed: of the sampling.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        vector_size: int,
        goal_size: int,
        action_size: int,
        *,
        reward_fn: RewardFn,
        strategy: Strategy = "future",
        her_ratio: float = 0.8,
        goal_tries: int = 1,
        relative_goals: bool = False,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        self.lanes, self.slots = num_envs, capacity // num_envs
        if self.slots < 2:
            raise ValueError(f"a buffer of {capacity} has no room for a transition of each of {num_envs} environments")
        self.reward_fn, self.strategy = reward_fn, strategy
        self.her_ratio = 0.0 if strategy == "none" else her_ratio
        self.goal_tries = goal_tries if self.her_ratio else 1
        self.relative_goals = relative_goals
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

        def table(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            # Writing the zeros touches every page: memory that is not there is missed now, not hours later.
            return torch.empty(self.slots * self.lanes, *shape, dtype=dtype, device=self.device).fill_(0)

        self.tables = {
            "vector": table(vector_size),
            "achieved_goal": table(goal_size, dtype=torch.float64),
            "desired_goal": table(goal_size, dtype=torch.float64),
            "action": table(action_size),
            "reward": table(),
            "terminated": table(),
            "start": table(dtype=torch.int64),  # time of the episode's first observation
            "end": table(dtype=torch.int64),  # time of its last one, or OPEN
            "transition": table(dtype=torch.int64),  # a lane's n-th transition -> its time, at n mod slots
        }

        def cursor(value: int) -> Tensor:
            return torch.full((self.lanes,), value, dtype=torch.int64, device=self.device)

        self.cursors = {"newest": cursor(-1), "added": cursor(0), "lost": cursor(0), "start": cursor(0)}
        self.all_lanes = torch.arange(self.lanes, device=self.device)

    def __len__(self) -> int:
        """Transitions that can be sampled. Waits for the device: not for the hot path."""
        return int((self.cursors["added"] - self.cursors["lost"]).sum())

    # ------------------------------------------------------------------ writing

    def start(self, vector: Tensor, achieved_goal: Tensor, desired_goal: Tensor) -> None:
        """Open an episode in every lane with its first observation; one that was open is cut off where it is.

        Args:
            vector (N, V), achieved_goal (N, G), desired_goal (N, G).
        """
        self._close(self.all_lanes)
        self._push(self.all_lanes, vector, achieved_goal, desired_goal, opens_episode=True)

    def add(
        self,
        action: Tensor,
        reward: Tensor,
        terminated: Tensor,
        vector: Tensor,
        achieved_goal: Tensor,
        desired_goal: Tensor,
    ) -> None:
        """Store one step of every lane: what was done at the newest observation, and what was seen next.

        Args:
            action (N, A), reward (N,), terminated (N,).
            vector (N, V), achieved_goal (N, G), desired_goal (N, G): the next observation; where the episode ended,
                its last one (`final_obs`), to be followed by `begin`.
        """
        added, newest = self.cursors["added"], self.cursors["newest"]
        here = self._at(newest, self.all_lanes)
        self.tables["action"][here] = action
        self.tables["reward"][here] = reward
        self.tables["terminated"][here] = terminated.to(torch.float32)
        self.tables["transition"][self._at(added, self.all_lanes)] = newest
        added += 1
        self._push(self.all_lanes, vector, achieved_goal, desired_goal, opens_episode=False)

    def begin(self, lanes: Tensor, vector: Tensor, achieved_goal: Tensor, desired_goal: Tensor) -> None:
        """End the episodes of `lanes` (D,) at their newest observation and open the next ones.

        Args:
            vector (D, V), achieved_goal (D, G), desired_goal (D, G): the first observations of the new episodes.
        """
        self._close(lanes)
        self._push(lanes, vector, achieved_goal, desired_goal, opens_episode=True)

    def _at(self, time: Tensor, lanes: Tensor) -> Tensor:
        """Row of the flat tables that holds `time` of `lanes`."""
        return time % self.slots * self.lanes + lanes

    def _push(self, lanes: Tensor, vector: Tensor, achieved: Tensor, desired: Tensor, opens_episode: bool) -> None:
        self.cursors["newest"][lanes] += 1
        time = self.cursors["newest"][lanes]
        lost = self.cursors["lost"][lanes]
        # The slot may have held the lane's oldest transition. A lane that holds none has nothing to lose.
        oldest = self.tables["transition"][self._at(lost, lanes)]
        overwritten = (oldest <= time - self.slots) & (lost < self.cursors["added"][lanes])
        self.cursors["lost"][lanes] = lost + overwritten
        if opens_episode:
            self.cursors["start"][lanes] = time
        here = self._at(time, lanes)
        self.tables["vector"][here] = vector
        self.tables["achieved_goal"][here] = achieved
        self.tables["desired_goal"][here] = desired
        self.tables["start"][here] = self.cursors["start"][lanes]
        self.tables["end"][here] = OPEN

    def _close(self, lanes: Tensor) -> None:
        """Tell every stored observation of the lanes' open episodes where the episode ended."""
        for lane in lanes.tolist():  # once an episode
            end = int(self.cursors["newest"][lane])
            start = max(int(self.cursors["start"][lane]), end - self.slots + 1)
            if end >= 0:
                times = torch.arange(start, end + 1, device=self.device)
                self.tables["end"][self._at(times, torch.as_tensor(lane, device=self.device))] = end

    # ------------------------------------------------------------------ sampling

    def sample(self, batch_size: int) -> Batch:
        """Draw transitions uniformly, with replacement, and relabel them; with `goal_tries` above 1, those that are
        relabelled lean toward transitions whose goal was still open.

        Raises nothing and waits for nothing: the caller sees to it that something is stored.
        """
        candidates = self.goal_tries * batch_size
        uniform = torch.rand(3, candidates, dtype=torch.float64, device=self.device, generator=self.generator)
        lane, time = self._draw(uniform[0])
        new_goal = self._gather("achieved_goal", self._at(self._lender(lane, time, uniform[1]), lane))
        relabelled = uniform[2, :batch_size] < self.her_ratio
        if self.goal_tries > 1:
            achieved = self._gather("achieved_goal", self._at(time, lane))
            reached = self.reward_fn(achieved, new_goal) == self.reward_fn(new_goal, new_goal)
            choice = torch.where(relabelled, first_open(reached.view(self.goal_tries, batch_size)), 0)
            choice = choice * batch_size + torch.arange(batch_size, device=self.device)
            lane, time, new_goal = lane[choice], time[choice], new_goal[choice]
        return self._transitions(lane, time, new_goal, relabelled)

    def _transitions(self, lane: Tensor, time: Tensor, new_goal: Tensor, relabelled: Tensor) -> Batch:
        """Gather the transitions of `lane` at `time`, (B,) each, with `new_goal` (B, G) where `relabelled` (B,)."""
        here, following = self._at(time, lane), self._at(time + 1, lane)
        next_achieved = self._gather("achieved_goal", following)
        goal, reward = relabel(
            self.reward_fn,
            relabelled=relabelled,
            new_goal=new_goal,
            desired_goal=self._gather("desired_goal", here),
            next_achieved_goal=next_achieved,
            reward=self._gather("reward", here),
        )
        next_goal = goal
        if self.relative_goals:  # in float64, before rounding
            goal, next_goal = goal - self._gather("achieved_goal", here), goal - next_achieved
        return Batch(
            vector=self._gather("vector", here),
            action=self._gather("action", here),
            reward=reward,
            next_vector=self._gather("vector", following),
            terminated=self._gather("terminated", here),
            goal=goal.to(torch.float32),
            next_goal=next_goal.to(torch.float32),
        )

    def _lender(self, lane: Tensor, time: Tensor, uniform: Tensor) -> Tensor:
        """The time whose achieved goal is lent to the transition of `lane` at `time`; (B,) each."""
        here, newest = self._at(time, lane), self.cursors["newest"][lane]
        end = self._gather("end", here)
        end = torch.where(end == OPEN, newest, end)
        # A long episode may have lost its beginning to the ring.
        start = torch.maximum(self._gather("start", here), newest - self.slots)
        return goal_time(self.strategy, time, start, end, uniform)

    def _draw(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Uniform numbers (B,) -> lane (B,) and time (B,) of a stored transition, each equally likely."""
        stored = self.cursors["added"] - self.cursors["lost"]  # (N,)
        upto = stored.cumsum(0)
        pick = (uniform * upto[-1]).long()
        lane = torch.searchsorted(upto, pick, right=True)
        nth = self.cursors["lost"][lane] + pick - (upto - stored)[lane]
        return lane, self._gather("transition", self._at(nth, lane))

    def _gather(self, name: str, rows: Tensor) -> Tensor:
        return self.tables[name].index_select(0, rows)

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """Everything that sampling depends on. Only rows that were written are kept."""
        used = min(int(self.cursors["newest"].max()) + 1, self.slots) * self.lanes
        return {
            "shape": (self.slots, self.lanes),
            "tables": {name: table[:used].clone() for name, table in self.tables.items()},
            "cursors": {name: cursor.clone() for name, cursor in self.cursors.items()},
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`. Raises ValueError if it was a ring of another shape."""
        if tuple(state["shape"]) != (self.slots, self.lanes):
            raise ValueError(f"the saved ring has {state['shape']} slots and lanes, this one {self.slots, self.lanes}")
        if any(state["tables"][name].shape[1:] != table.shape[1:] for name, table in self.tables.items()):
            raise ValueError("the saved ring holds vectors, goals or actions of other sizes than this one")
        for name, table in self.tables.items():
            table[: len(state["tables"][name])] = state["tables"][name]
        for name, cursor in self.cursors.items():
            cursor.copy_(state["cursors"][name])
        self.generator.set_state(state["generator"].cpu())
