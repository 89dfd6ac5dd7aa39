"""The agent as the environments see it: observations in, actions out, both numpy."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

import envs
from agent import SAC

Observation = dict[str, NDArray[np.float64]]


class Policy:
    """Joins an agent with an observation layout and an action space.

    Args:
        agent: acts in [-1, 1].
        layout: name of the observation layout.
        relative_goals: show the desired goal as seen from the achieved one.
        action_space: of one environment; actions are scaled to its bounds.
    """

    def __init__(self, agent: SAC, layout: str, relative_goals: bool, action_space: spaces.Box) -> None:
        self.agent, self.layout, self.relative_goals = agent, layout, relative_goals
        self.middle = (action_space.high + action_space.low) / 2
        self.half_range = (action_space.high - action_space.low) / 2

    def inputs(self, obs: Observation) -> tuple[Tensor, Tensor]:
        """What the networks see: vector (N, V) and goal (N, G), float32 on the agent's device."""
        vector = torch.from_numpy(envs.vector_of(obs, self.layout))
        seen_from = obs["achieved_goal"] if self.relative_goals else 0.0
        goal = torch.from_numpy(obs["desired_goal"] - seen_from).to(torch.float32)
        return vector.to(self.agent.device), goal.to(self.agent.device)

    def scale(self, action: Tensor) -> NDArray[np.float32]:
        """(N, A) in [-1, 1] -> (N, A) in the action space."""
        return self.middle + self.half_range * action.cpu().numpy()

    def __call__(self, obs: Observation) -> NDArray[np.float32]:
        """Act without exploration."""
        return self.scale(self.agent.act(*self.inputs(obs), deterministic=True))
