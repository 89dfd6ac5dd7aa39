"""The replay buffer: samples stored transitions and relabels most of them with other goals."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor

from goals import GoalSpace
from replay import saving
from replay.batch import Batch, Future, Observation
from replay.hindsight import Imagined, Strategy, first_not_reached, goal_time, near, relabel
from replay.storage import OPEN, RingSpec, Storage

STACKED = ("pixels", "embedding")  # images, or a frozen network's features of them
DERIVED = (*STACKED, "estimate_before", "index")  # parts of observations that are more than a table's row
UNSEEN = "goal_position"  # the stored part that no network may read: the goal space renders goals from it


class Ring:
    """A replay buffer: transitions sampled uniformly from a storage, and relabelled in hindsight.

    Args:
        spec: sizes, contents and location of the storage.
        goal_space: decides which goals are reached, and computes the rewards of relabelled transitions.
        strategy, her_ratio: source of hindsight goals (`hindsight.goal_time`), and fraction of a batch that gets them.
        goal_tries: candidates per relabelled transition; the first candidate whose goal was not yet reached when its
            episode began is taken. If the object never moves, every later goal is reached from the start: early in
            training nearly all relabelled transitions are like this, and teach only to leave the object alone.
            (Filtered HER, Manela and Biess 2021, asks whether the goal was reached when the transition acted. That also
            rejects an object that lies where it was pushed, and so never teaches to leave the object there.)
        goal_noise: scale of the noise on hindsight goals (`hindsight.near`); 0 for none.
        gamma: discount per step; `Batch.discount` is its k-th power after k steps, or 0 where the episode terminated.
        n_step: steps whose discounted rewards, all for the same goal, are summed in `Batch.reward`; `next_obs` comes
            after the last of these steps. Fewer at an episode's end. As in multi-step HER (Yang et al. 2021), there is
            no off-policy correction: where an episode leaves its relabelled goal, the sum counts this, although the
            policy would stay.
        imagined: further goals for relabelling. With these, the goal space computes the rewards of all transitions,
            relabelled or not.
        subtract_achieved: return goals relative to the achieved goal, desired - achieved.
        frame_stack: images per observation, the newest last; at an episode's start its first image is repeated.
        seed: seed of the sampling.

    Raises:
        ValueError: for an unknown strategy, or a number out of its range.

    Attributes:
        storage: the storage to write to.
    """

    def __init__(
        self,
        spec: RingSpec,
        *,
        goal_space: GoalSpace,
        strategy: Strategy = "future",
        her_ratio: float = 0.8,
        goal_tries: int = 1,
        goal_noise: float = 0.0,
        gamma: float = 0.95,
        n_step: int = 1,
        imagined: Imagined | None = None,
        subtract_achieved: bool = False,
        frame_stack: int = 1,
        seed: int = 0,
    ) -> None:
        self.storage = Storage(spec)
        self.device = self.storage.device
        if strategy not in get_args(Strategy):
            raise ValueError(f"there is no strategy {strategy!r}: it is one of {', '.join(get_args(Strategy))}")
        if not 0 <= her_ratio <= 1 or not 0 <= gamma <= 1 or min(goal_tries, n_step, frame_stack) < 1:
            raise ValueError(
                "her_ratio and gamma lie between 0 and 1, goal_tries, n_step and frame_stack are at least 1"
            )
        self.goal_space, self.strategy = goal_space, strategy
        self.her_ratio = 0.0 if strategy == "none" else her_ratio
        self.goal_tries, self.goal_noise = goal_tries if self.her_ratio else 1, goal_noise
        self.gamma, self.n_step, self.imagined = gamma, n_step, imagined
        self.subtract_achieved, self.frame_stack = subtract_achieved, frame_stack
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def __len__(self) -> int:
        """Transitions that can be sampled. Waits for the device: not for the hot path."""
        return len(self.storage)

    def sample(self, batch_size: int, goals: int = 1, horizon: int = 0, names: Collection[str] | None = None) -> Batch:
        """Sample transitions uniformly, with replacement, and relabel them. With `goal_tries` above 1, relabelled
        transitions are not uniform: they come more often from episodes in which the object moved.

        Args:
            batch_size: transitions, P.
            goals: goals per transition, so that the batch has B = goals * P.
            horizon: K, of `Batch.future`; 0 for none.
            names: parts of the observations to return, also "index" and "estimate_before"; None for all stored parts
                that networks may read.

        Raises ValueError if nothing is stored. Waits for the device only until a first transition was found.
        """
        self.storage.check_not_empty()
        candidates = self.goal_tries * batch_size
        uniform = self._uniform(3, candidates)
        env_index, time = self._sample_transitions(uniform[0])
        new_goal = self._hindsight_goal(env_index, time, uniform[1])
        chance = uniform[2, :batch_size]
        relabelled = chance < self.her_ratio
        if self.goal_tries > 1:
            choice = torch.where(relabelled, self._first_unreached(env_index, time, new_goal, batch_size), 0)
            choice = choice * batch_size + torch.arange(batch_size, device=self.device)
            env_index, time, new_goal = env_index[choice], time[choice], new_goal[choice]
        if goals > 1:
            more_goals, more_chance = self._more_goals(env_index.repeat(goals - 1), time.repeat(goals - 1))
            new_goal, chance = torch.cat([new_goal, more_goals]), torch.cat([chance, more_chance])
            relabelled = chance < self.her_ratio
        if self.goal_noise:
            desired = self.storage.read("desired_goal", env_index, time).repeat(goals, 1)
            new_goal = near(new_goal, desired, self._uniform(len(desired)), self.goal_noise)
        if self.imagined is not None:
            desired = self.storage.read("desired_goal", env_index, time).repeat(goals, 1)
            new_goal = self.imagined.mix(new_goal, desired, chance, self.her_ratio, self.generator)
            relabelled = torch.ones_like(relabelled)
        names = [name for name in self.storage.observations if name != UNSEEN] if names is None else names
        batch = self._transitions(env_index, time, new_goal, relabelled, names)
        return replace(batch, future=self._future(env_index, time, horizon, names)) if horizon else batch

    def _more_goals(self, env_index: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Further goals (R, G) for transitions of `env_index` (R,) at `time` (R,), and a uniform number for each."""
        rows = len(env_index)
        uniform = self._uniform(2, self.goal_tries * rows)
        env_indices, times = env_index.repeat(self.goal_tries), time.repeat(self.goal_tries)
        new_goal = self._hindsight_goal(env_indices, times, uniform[0])
        if self.goal_tries > 1:
            choice = self._first_unreached(env_indices, times, new_goal, rows)
            new_goal = new_goal[choice * rows + torch.arange(rows, device=self.device)]
        return new_goal, uniform[1, :rows]

    def _first_unreached(self, env_index: Tensor, time: Tensor, goal: Tensor, rows: int) -> Tensor:
        """Index, (rows,) int64, of each row's first candidate whose goal was not reached at the oldest stored
        observation of its episode. The candidates are (tries * rows,)."""
        begun = torch.maximum(self.storage.read("start", env_index, time), self.storage.oldest_time(env_index))
        achieved = self.storage.read("achieved_goal", env_index, begun)
        return first_not_reached(self.goal_space.reached(achieved, goal).view(-1, rows))

    def _transitions(
        self, env_index: Tensor, time: Tensor, new_goal: Tensor, relabelled: Tensor, names: Collection[str]
    ) -> Batch:
        """Gather transitions, `env_index` (P,) at `time` (P,), with `new_goal` (B, G) where `relabelled` (B,)."""
        here, one_later = self.storage.row(time, env_index), self.storage.row(time + 1, env_index)
        achieved, next_achieved = (self.storage.gather("achieved_goal", rows) for rows in (here, one_later))
        tiles = len(new_goal) // len(here)
        each = here.repeat(tiles)  # (B,)
        reward = self.storage.gather("reward", each)
        steps = (self._episode_end(env_index, time) - time).clamp(max=self.n_step)  # (P,), at least 1
        last, following = self.storage.row(time + steps - 1, env_index), self.storage.row(time + steps, env_index)
        terminated = self.storage.gather("terminated", last)  # (P,)
        # If one of the steps terminates without success, in a crash say, that ends the episode for any goal, and its
        # reward may contain a penalty unknown to compute_reward: the transition keeps its goal.
        crashed = (terminated > 0) & (self.storage.gather("reward", last) < self.storage.success_reward)
        relabelled = relabelled & ~crashed.repeat(tiles)
        goal, reward = relabel(
            self.goal_space.reward,
            relabelled=relabelled,
            new_goal=new_goal,
            desired_goal=self.storage.gather("desired_goal", each),
            next_achieved_goal=next_achieved.repeat(tiles, 1),
            reward=reward,
        )
        ended = relabelled & (reward >= self.storage.success_reward)  # (B,)
        for step in range(1, self.n_step):
            later = self._reward_after((steps - 1).clamp(max=step), env_index, time, goal, relabelled)
            goes_on = (step < steps).repeat(tiles) & ~ended
            reward = reward + self.gamma**step * torch.where(goes_on, later, 0)
            ended = ended | (goes_on & relabelled & (later >= self.storage.success_reward))
        ends = torch.where(relabelled, ended.to(torch.float32), terminated.repeat(tiles))
        next_goal, next_achieved = goal, self.storage.gather("achieved_goal", following)
        if self.subtract_achieved:  # in float64, before rounding
            goal, next_goal = goal - achieved.repeat(tiles, 1), goal - next_achieved.repeat(tiles, 1)
        return Batch(
            obs=self._observation(env_index, time, names),
            next_obs=self._observation(env_index, time + steps, names),
            action=self.storage.gather("action", each),
            reward=reward,
            discount=self.gamma ** steps.repeat(tiles) * (1 - ends),
            goal=goal.to(torch.float32),
            next_goal=next_goal.to(torch.float32),
            achieved_goal=achieved.to(torch.float32),
        )

    def _reward_after(self, steps: Tensor, env_index: Tensor, time: Tensor, goal: Tensor, relabelled: Tensor) -> Tensor:
        """Reward (B,) for `goal` (B, G) of the transition `steps` (P,) after `time` (P,), within its episode."""
        tiles = len(goal) // len(time)
        achieved = self.storage.read("achieved_goal", env_index, time + steps + 1).repeat(tiles, 1)
        reward = self.storage.read("reward", env_index, time + steps).repeat(tiles)
        return relabel(self.goal_space.reward, relabelled, goal, goal, achieved, reward)[1]

    def _observation(self, env_index: Tensor, time: Tensor, names: Collection[str]) -> Observation:
        """Observations of `env_index` at `time`, (P,) each; images are stacked, the newest last."""
        row = self.storage.row(time, env_index)
        obs = {name: self.storage.gather(name, row) for name in names if name not in DERIVED}
        begun = self.storage.read("start", env_index, time)
        for name in set(STACKED) & set(names):  # (P, H, W, stack * C) uint8, or (P, stack * E) float16
            # Neither before the episode's first image nor before the oldest stored image.
            first = torch.maximum(begun, self.storage.oldest_image(env_index))
            back = range(self.frame_stack - 1, -1, -1)
            times = [torch.maximum(time - steps, first) if steps else time for steps in back]
            images = [self.storage.read(name, env_index, one) for one in times]
            obs[name] = torch.cat(images, dim=-1) if len(images) > 1 else images[0]
        if "estimate_before" in names:
            first = torch.maximum(begun, self.storage.oldest_time(env_index))
            obs["estimate_before"] = self.storage.read("estimate", env_index, torch.maximum(time - 1, first))
        return obs | {"index": self.storage.index(time, env_index)} if "index" in names else obs

    def _future(self, env_index: Tensor, time: Tensor, horizon: int, names: Collection[str]) -> Future:
        """The `horizon` observations and actions that follow `time` (P,) of `env_index` (P,) in its episode."""
        ahead = torch.arange(1, horizon + 1, device=self.device)
        end = self._episode_end(env_index, time)[:, None]
        times = torch.minimum(time[:, None] + ahead, end).flatten()  # (P K,)
        each = env_index.repeat_interleave(horizon)
        obs = {name: part.unflatten(0, (-1, horizon)) for name, part in self._observation(each, times, names).items()}
        action = self.storage.read("action", each, times - 1)
        return Future(obs, action.unflatten(0, (-1, horizon)), time[:, None] + ahead <= end)

    def _hindsight_goal(self, env_index: Tensor, time: Tensor, uniform: Tensor) -> Tensor:
        """Achieved goals (B, G) of the same episodes as the transitions of `env_index` at `time`, (B,) each."""
        end = self._episode_end(env_index, time)
        # The ring may have overwritten a long episode's beginning: "episode" samples only from what is still stored.
        begun = self.storage.read("start", env_index, time)
        start = torch.maximum(begun, self.storage.oldest_time(env_index) - 1)
        chosen = goal_time(self.strategy, time, start, end, uniform)
        return self.storage.read("achieved_goal", env_index, chosen)

    def _episode_end(self, env_index: Tensor, time: Tensor) -> Tensor:
        """Time of the last observation, so far, of the episode that `time` (B,) of `env_index` (B,) belongs to."""
        end = self.storage.read("end", env_index, time)
        return torch.where(end == OPEN, self.storage.cursors["newest"][env_index], end)

    def _sample_transitions(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Uniform numbers (B,) -> environment (B,) and time (B,) of a stored transition, each equally likely."""
        stored = self.storage.cursors["added"] - self.storage.cursors["lost"]  # (N,)
        upto = stored.cumsum(0)
        pick = (uniform * upto[-1]).long()
        env_index = torch.searchsorted(upto, pick, right=True)
        nth = self.storage.cursors["lost"][env_index] + pick - (upto - stored)[env_index]
        return env_index, self.storage.read("transition", env_index, nth)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, dtype=torch.float64, device=self.device, generator=self.generator)

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """Everything that sampling depends on."""
        return saving.state_dict(self.storage) | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`. Raises ValueError if it was a ring of another shape."""
        saving.load_state_dict(self.storage, state)
        self.generator.set_state(state["generator"].cpu())
