"""Input of a critic that reads the full state while the actor sees images (Pinto et al. 2017).

The critic is used only in training, so it may read what the actor's observations hide. Acting needs nothing of this,
and a policy file leaves it out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from encoders.normalizer import Normalizer
from replay.batch import Observation


class Privileged(nn.Module):
    """State and goal of the critic, with normalisers of their own.

    Args:
        state_size: S, numbers of the observation "state", the last G of which are the achieved goal.
        goal_size: G.
        normalize: normalise by running mean and standard deviation.
        relative: subtract the achieved goal from goals; False if the goals are relative already.

    Attributes:
        size: width of the output of `state`, S + G.
    """

    def __init__(self, state_size: int, goal_size: int, normalize: bool, relative: bool) -> None:
        super().__init__()
        self.normalizer, self.goal_normalizer = Normalizer(state_size, normalize), Normalizer(goal_size, normalize)
        self.size, self.goal_size, self.relative = state_size + goal_size, goal_size, relative

    @property
    def normalizers(self) -> list[Normalizer]:
        """Normalisers of state and goal."""
        return [self.normalizer, self.goal_normalizer]

    def vectors(self, state: Tensor, goal: Tensor) -> list[Tensor]:
        """Inputs of the `normalizers`, from states (N, S) and the actor's goals (N, G)."""
        return [state, goal - self._origin(state)]

    def forward(self, obs: Observation) -> Tensor:
        """Normalised state, then the unnormalised origin that goals are relative to, (P, S + G)."""
        return torch.cat([self.normalizer(obs["state"]), self._origin(obs["state"])], dim=-1)

    def state(self, inputs: Tensor, goal: Tensor) -> Tensor:
        """State of the critic (B, S + G), from outputs (P, S + G) of `forward`, tiled to B rows, and goals (B, G)."""
        known, origin = inputs.repeat(len(goal) // len(inputs), 1).tensor_split([-self.goal_size], dim=1)
        return torch.cat([known, self.goal_normalizer(goal - origin)], dim=-1)

    def _origin(self, state: Tensor) -> Tensor:
        achieved = state[:, -self.goal_size :]
        return achieved if self.relative else torch.zeros_like(achieved)
