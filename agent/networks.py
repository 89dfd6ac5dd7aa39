"""The sizes of the networks, the actor, the twin critic, and bounds on Q."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOG_STD_RANGE = (-20.0, 2.0)


@dataclass(frozen=True)
class NetworkConfig:
    """Input and output sizes of actor and critics, and their architecture."""

    vector_size: int  # V
    goal_size: int  # G
    action_size: int  # A
    width: int = 256  # units in a hidden layer
    depth: int = 2  # hidden layers
    layer_norm: bool = True  # after each hidden layer of the critics
    normalize: bool = True  # the inputs, by running mean and standard deviation
    normalize_goal: bool = True  # goals too
    latent_size: int = 0  # the last numbers of the vector are a latent, which is not normalised
    state_size: int = 0  # S: the critic reads the observation "state" instead of the encoder's features; 0: it does not


class MLP(nn.Module):
    """`depth` hidden layers (Linear, optional LayerNorm, ReLU), then a Linear.

    `agent/accelerate.py` may let the middle layers compute in bfloat16. The first and last layers never do: bfloat16
    would round positions in metres to millimetres, and Q values near -10 to sixteenths, although differences of
    hundredths matter.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, layer_norm: bool) -> None:
        super().__init__()

        def hidden(size: int) -> list[nn.Module]:
            return [nn.Linear(size, width), *([nn.LayerNorm(width)] if layer_norm else []), nn.ReLU()]

        self.first = nn.Sequential(*hidden(inputs))
        self.middle = nn.Sequential(*(layer for _ in range(depth - 1) for layer in hidden(width)))
        self.last = nn.Linear(width, outputs)
        self.in_bfloat16 = False

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        hidden = self.first(inputs)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            hidden = self.middle(hidden)
        return self.last(hidden.to(inputs.dtype))


class Actor(nn.Module):
    """Tanh-Gaussian policy pi(a | state), SAC's (Haarnoja et al. 2018, appendix C)."""

    def __init__(self, state_size: int, action_size: int, width: int, depth: int) -> None:
        super().__init__()
        self.action_size = action_size
        self.mlp = MLP(state_size, 2 * action_size, width, depth, layer_norm=False)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S) -> mean and log standard deviation before the tanh, each (B, A)."""
        mean, log_std = self.mlp(state).chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD_RANGE)

    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reparametrised action (B, A) and its log-probability (B,), from standard normal `noise` (B, A)."""
        mean, log_std = self(state)
        before_tanh = mean + log_std.exp() * noise
        return before_tanh.tanh(), log_prob(before_tanh, noise, log_std)


def log_prob(before_tanh: Tensor, noise: Tensor, log_std: Tensor) -> Tensor:
    """log pi(a) of a = tanh(before_tanh), before_tanh = mean + std * noise; (B, A) each -> (B,).

    The change of variables subtracts log(1 - tanh(u)^2), written as 2 (log 2 - u - softplus(-2 u)) because float32
    rounds 1 - tanh(u)^2 to zero from |u| = 9 on.
    """
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_tanh_slope = 2 * (math.log(2) - before_tanh - F.softplus(-2 * before_tanh))
    return (gaussian - log_tanh_slope).sum(-1)


class TwinCritic(nn.Module):
    """Two independent Q(state, action) (Fujimoto et al. 2018)."""

    def __init__(self, state_size: int, action_size: int, width: int, depth: int, layer_norm: bool) -> None:
        super().__init__()
        self.q1, self.q2 = (MLP(state_size + action_size, 1, width, depth, layer_norm) for _ in range(2))

    def forward(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S), (B, A) -> two Q values, each (B,)."""
        inputs = torch.cat([state, action], dim=-1)
        return self.q1(inputs).squeeze(-1), self.q2(inputs).squeeze(-1)


@dataclass(frozen=True)
class QBounds:
    """Bounds on the optimal soft Q: the lowest reward at every step; the highest reward and entropy at every step.

    The upper bound holds for any policy in [-1, 1]^A: none has more entropy than uniform actions, A log 2. The lower
    bound holds for any policy at least as good as uniform actions: these earn at least the lowest reward, and their
    entropy bonus, left out here, is positive. Both bound Q'(s', a') before the target's entropy term is subtracted,
    because log pi of a sampled action is unbounded.
    """

    reward_range: tuple[float, float]  # lowest and highest reward per step, infinite where unknown
    gamma: float
    action_size: int

    def clip(self, q: Tensor, log_alpha: Tensor) -> Tensor:
        """Clip Q (B,) to the bounds at the temperature exp(log_alpha)."""
        low, high = self.reward_range
        entropy = log_alpha.detach().exp() * self.action_size * math.log(2)
        return q.clamp(min=low / (1 - self.gamma)).minimum((high + self.gamma * entropy) / (1 - self.gamma))


@contextmanager
def frozen(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Disable gradients of `parameters` inside the context."""
    for one in parameters:
        one.requires_grad_(False)
    try:
        yield
    finally:
        for one in parameters:
            one.requires_grad_(True)


def tiled(rows: Tensor, count: int) -> Tensor:
    """Repeat rows (P, X) to (count, X): output row b is input row b mod P."""
    return rows if len(rows) == count else rows.repeat(count // len(rows), 1)
