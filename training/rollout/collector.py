"""Between the environments and the ring: choose actions, store what came of them, keep count."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

import envs
from replay.ring import UNSEEN
from replay.storage import Storage
from training.checkpoint import as_arrays
from training.rollout.ending import Ending
from training.rollout.exploration import Explorer
from training.rollout.policy import Goals, Policy, PolicyInput, RawObservation

ROLLING = 100  # latest episodes in the means of success and return; latest steps in that of errors


class Collector:
    """Steps a vector of environments in two halves, so that the learner can work in between.

    Args:
        vec: the environments.
        policy: chooses actions.
        storage: takes the transitions.
        explorer: replaces some of the policy's actions.
        update_normalizers: is given every observation, as `Agent.update_normalizers`.
    """

    def __init__(
        self,
        vec: VectorEnv,
        policy: Policy,
        storage: Storage,
        explorer: Explorer,
        update_normalizers: Callable[..., None],
    ) -> None:
        self.vec, self.policy, self.storage = vec, policy, storage
        self.agent = policy.agent
        self.explorer, self.update_normalizers = explorer, update_normalizers
        self.episode_return = np.zeros(vec.num_envs)
        self.success: deque[bool] = deque(maxlen=ROLLING)
        self.returns: deque[float] = deque(maxlen=ROLLING)
        self.errors: deque[Tensor] = deque(maxlen=ROLLING)  # of the estimated achieved goals at each step, metres
        self.episodes = 0
        self.ending = Ending()
        size = vec.single_observation_space["observation"].shape[-1]  # type: ignore[index]
        has_object = vec.restorable and envs.has_object(size)  # type: ignore[attr-defined]
        self.guides = has_object and explorer.guided_episodes > 0
        # What the next actions depend on, set by reset().
        self.frames = policy.new_frames()
        self.shown: PolicyInput | None = None
        self.to_object: Tensor | None = None

    def reset(self, seed: int | None = None, merge: Callable[[], None] = lambda: None) -> None:
        """Open an episode in every environment; an episode still open is dropped.

        `merge` is called after the normalisers have taken the first observations and before the first estimate: an
        estimate without their statistics would be far off.
        """
        obs, _ = self.vec.reset(seed=seed)
        self.episode_return[:] = 0.0
        goals = self.policy.goals(obs)
        self.update_normalizers(*self.policy.without_images(obs, goals).vectors, self._state(obs))
        merge()
        self.shown = self.policy.observe(obs, self.frames, np.ones(self.vec.num_envs, bool), goals=goals)
        self.to_object = self._way_to_object(obs)
        self.storage.start(*self._stored(obs, self.shown, goals))
        self._begin(torch.arange(self.vec.num_envs, device=self.agent.device))

    def begin_step(self, explore_only: bool) -> None:
        """Choose actions and set the environments going."""
        assert self.shown is not None
        action = None
        if not explore_only:
            action, estimate = self.policy.act(self.shown, deterministic=self.explorer.noise is not None)
            if estimate is not None:
                self.errors.append((estimate - self.shown.achieved_goal).norm(dim=1).mean())
        self.action = self.explorer.explore(action, self.to_object)  # (N, A) in [-1, 1]
        self.vec.step_async(self.policy.scale(self.action))  # type: ignore[attr-defined]

    def end_step(self) -> None:
        """Wait for the environments and store what they did."""
        obs, reward, terminated, truncated, infos = self.vec.step_wait()  # type: ignore[attr-defined]
        done = terminated | truncated
        goals = next_goals = self.policy.goals(obs)
        next_obs, final = obs, None  # what each step led to: `final_obs` where an episode ended
        if done.any():
            next_obs = {name: values.copy() for name, values in obs.items()}
            for env_index in np.flatnonzero(done):
                for name, values in next_obs.items():
                    values[env_index] = infos["final_obs"][env_index][name]
            next_goals = self.policy.goals(next_obs)
            final = self.policy.without_images(next_obs, next_goals)
            if self.policy.estimates or self.policy.frozen is not None:
                final = self.policy.observe(next_obs, copy.copy(self.frames), np.zeros_like(done), goals=next_goals)
        self.shown = self.policy.observe(obs, self.frames, done, goals=goals)
        self.to_object = self._way_to_object(obs)
        shown = final or self.shown  # of `next_obs`
        device = self.storage.device
        self.storage.add(
            self.action.to(device),
            torch.from_numpy(reward).to(device, torch.float32),
            torch.from_numpy(terminated).to(device),
            *self._stored(next_obs, shown, next_goals),
        )
        self.update_normalizers(*shown.vectors, self._state(next_obs))
        if not self.ending.goes_on:
            goal_reward = self.policy.goal_space.reward(*next_goals).numpy()
            self.observe_ending(goal_reward, terminated, envs.success_of_step(infos, done))
        self.episode_return += reward
        if done.any():
            self._finish(done, infos["final_info"])
            env_indices = torch.from_numpy(np.flatnonzero(done)).to(device)
            opened = (*self.shown.vectors, self._state(obs))
            self.update_normalizers(*(None if part is None else part[env_indices.to(part.device)] for part in opened))
            first, achieved, desired = self._stored(obs, self.shown, goals)
            first = {name: part[env_indices] for name, part in first.items()}
            self.storage.start(first, achieved[env_indices], desired[env_indices], env_indices)
            self._begin(env_indices.to(self.agent.device))

    def observe_ending(self, reward: np.ndarray, terminated: np.ndarray, success: np.ndarray) -> None:
        """Update `ending` with N steps, and tell the replay which relabelled goals end an episode."""
        self.ending.observe(reward, terminated, success)
        self.storage.success_reward = self.ending.success_reward

    def keep_images(self) -> None:
        """Copy the images that the next actions depend on: until then they lie in the environments' memory."""
        if self.shown is not None:
            self.shown = self.shown._replace(obs={name: part.clone() for name, part in self.shown.obs.items()})

    def _begin(self, env_indices: Tensor) -> None:
        """Tell the explorer that episodes open in `env_indices`."""
        rate = sum(self.success) / len(self.success) if self.success else 0.0
        self.explorer.begin(env_indices, rate)

    def _way_to_object(self, obs: RawObservation) -> Tensor | None:
        if not self.guides:
            return None
        return torch.from_numpy(envs.take(obs["observation"], ["object_rel_pos"])).to(self.agent.device, torch.float32)

    def _state(self, obs: RawObservation) -> Tensor | None:
        """Full state (N, S) float32 of `obs`, if the critic reads it; else None."""
        if self.agent.privileged is None:
            return None
        return torch.from_numpy(envs.vector_of(obs, envs.LAYOUTS["state"])).to(self.agent.device)

    def _stored(
        self, obs: RawObservation, shown: PolicyInput, goals: Goals
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Observations to store, by name, with single images; achieved and desired goals in float64."""
        device = self.storage.device
        parts = {"vector": self.policy.vector(obs, goals[0]).to(device)}
        if (state := self._state(obs)) is not None:
            parts["state"] = state.to(device)
        if "pixels" in self.storage.observations:
            parts["pixels"] = torch.from_numpy(obs[envs.PIXELS]).to(device)
        if "embedding" in self.storage.observations:  # of a stack, the newest
            newest = self.storage.tables["embedding"].shape[1]
            parts["embedding"] = shown.obs["embedding"][:, -newest:].to(device)
        if "estimate" in self.storage.observations:
            parts["estimate"] = shown.obs["estimate"].to(device)
        if UNSEEN in self.storage.observations:
            parts[UNSEEN] = torch.from_numpy(obs["desired_goal"]).to(device)
        achieved, desired = (goal.to(device) for goal in goals)
        return parts, achieved, desired

    def refresh_goals(self) -> None:
        """Show the policy the open episodes' goals as the replay stores them now, after the goal space has changed."""
        if self.shown is not None:
            newest, device = self.storage.cursors["newest"], self.agent.device
            names = ("vector", "achieved_goal", "desired_goal")
            vector, achieved, desired = (self.storage.read(name, self.storage.all_envs, newest) for name in names)
            goal = desired - achieved if self.policy.subtract_achieved else desired
            obs = self.shown.obs | {"vector": vector.to(device)}
            goal, achieved = (part.to(device, torch.float32) for part in (goal, achieved))
            self.shown = self.shown._replace(obs=obs, goal=goal, achieved_goal=achieved)

    def _finish(self, done: np.ndarray, final_info: dict[str, Any]) -> None:
        self.success.extend(envs.success_of(final_info, len(done))[done].tolist())
        self.returns.extend(self.episode_return[done].tolist())
        self.episodes += int(done.sum())
        self.episode_return[done] = 0.0

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """State, with the environments' if they can be saved: not after one has raised, in mid-step."""
        return {
            "envs": self._env_states(),
            "shown": None if self.shown is None else self.shown._asdict(),
            "episode_return": torch.from_numpy(self.episode_return.copy()),
            "success": list(self.success),
            "returns": list(self.returns),
            "errors": list(self.errors),
            "episodes": self.episodes,
            "ending": self.ending.state_dict(),
            "to_object": self.to_object,
            "explorer": self.explorer.state_dict(),
        }

    def _env_states(self) -> list[dict[str, Any]] | None:
        vec: Any = self.vec
        return vec.get_states() if vec.restorable and vec.failure is None else None

    def load_state_dict(self, state: dict[str, Any], reset_seed: int) -> bool:
        """Continue. Returns False if the open episodes were dropped because the environments cannot be restored."""
        self.success.extend(state["success"])
        self.returns.extend(state["returns"])
        self.errors.extend(error.to(self.agent.device) for error in state["errors"])
        self.episodes = state["episodes"]
        self.ending.load_state_dict(state["ending"])
        self.storage.success_reward = self.ending.success_reward
        self.explorer.load_state_dict(state["explorer"])
        if state["envs"] is None or not self.vec.restorable:  # type: ignore[attr-defined]
            self.reset(seed=reset_seed)
            return False
        self.vec.reset(seed=reset_seed)
        self.vec.set_states(as_arrays(state["envs"]))  # type: ignore[attr-defined]
        device = self.agent.device
        obs, goal, achieved = state["shown"]["obs"], state["shown"]["goal"], state["shown"]["achieved_goal"]
        obs = {name: part.to(device) for name, part in obs.items()}
        self.shown = PolicyInput(obs, goal.to(device), achieved.to(device))
        for name in {"pixels", "embedding"} & obs.keys():
            self.frames.pixels, self.frames.estimate = obs[name].cpu(), obs.get("estimate")
        self.to_object = None if state["to_object"] is None else state["to_object"].to(device)
        self.episode_return = state["episode_return"].numpy().copy()
        return True
