"""The networks and normalisers of an agent: acting with them, and saving them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from agent.networks import Actor, TwinCritic
from agent.normalizer import Normalizer
from encoders import Encoded, PixelEncoder
from encoders.heads import SpatialSoftmax


@dataclass(frozen=True)
class Heads:
    """Actor and critics: what they read besides an encoder's features, and how they are built."""

    vector_size: int  # V
    goal_size: int  # G
    action_size: int  # A
    width: int = 256  # units in a hidden layer
    depth: int = 2  # hidden layers
    layer_norm: bool = True  # after each hidden layer of the critics
    normalize: bool = True  # vector and goals, by running mean and standard deviation


class ActorCritic:
    """Encoder (the actor's own, if there are two), actor, twin critic, their targets, and normalisers of the inputs.

    Args:
        encoders: (B, V) and pixels -> `Encoded`; the second, if there is one, is the actor's.
        heads: what stands behind them.
        target_encoder: the target critic reads a copy of the encoder that moves by polyak (as in SB3).
        goal_from_estimate: show actor and critic the goal as seen from the estimate of the encoder's goal head.
        device, seed: where it lives; the seed of initial weights and action noise.
    """

    POLICY = ("encoder", "actor_encoder", "actor", "vector_normalizer", "goal_normalizer", "achieved_normalizer")
    MODULES = (*POLICY, "critic", "target_critic", "target_encoder")

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        heads: Heads,
        target_encoder: bool,
        goal_from_estimate: bool,
        device: torch.device | str,
        seed: int,
    ) -> None:
        self.device, self.goal_from_estimate = torch.device(device), goal_from_estimate
        self.generator = torch.Generator(self.device).manual_seed(seed)
        sizes = int(encoders[0].feature_size), heads.goal_size, heads.action_size, heads.width, heads.depth  # type: ignore[arg-type]
        with torch.random.fork_rng(devices=[]):  # initial weights depend on the seed alone, and disturb nobody
            torch.manual_seed(seed)
            actor, critic = Actor(*sizes), TwinCritic(*sizes, heads.layer_norm)
        self.actor, self.critic = actor.to(self.device), critic.to(self.device)
        self.encoder = encoders[0].to(self.device)
        self.actor_encoder = encoders[1].to(self.device) if len(encoders) == 2 else None
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False) if target_encoder else None
        # Kept, for walking through the modules at every update shows in a profile.
        self.critic_parameters: list[Tensor] = list(self.critic.parameters())
        self.online_parameters: list[Tensor] = list(self.critic_parameters)
        self.target_parameters: list[Tensor] = list(self.target_critic.parameters())
        if self.target_encoder is not None:
            self.online_parameters += self.encoder.parameters()
            self.target_parameters += self.target_encoder.parameters()
        self.vector_normalizer = Normalizer(heads.vector_size, heads.normalize).to(self.device)
        self.goal_normalizer = Normalizer(heads.goal_size, heads.normalize).to(self.device)
        self.achieved_normalizer = Normalizer(heads.goal_size, heads.normalize).to(self.device)
        self.located: Tensor | None = None  # achieved goals (N, G) as estimated by the latest `act()`, in metres

    @torch.no_grad()
    def act(self, vector: Tensor, goal: Tensor, pixels: Tensor | None = None, *, deterministic: bool = False) -> Tensor:
        """Actions (N, A) in [-1, 1] for (N, V), (N, G) and pixels: a sample, or the tanh of the mean."""
        encoder = self.encoder if self.actor_encoder is None else self.actor_encoder
        encoded = encoder(self.vector_normalizer(vector), pixels)
        self.located = self._metres(encoded.estimate)
        goal = self.seen_goal(goal, encoded)
        if deterministic:
            return self.actor(encoded.features, goal)[0].tanh()
        return self.actor.sample(encoded.features, goal, self.noise(len(goal)))[0]

    def observe(self, vector: Tensor, goal: Tensor, achieved_goal: Tensor) -> None:
        """Show the normalisers what the environments showed, (N, V), (N, G) and (N, G).

        So means and deviations of the achieved goal are known to an agent that sees no achieved goal; where the object
        is in a scene, is not.
        """
        self.vector_normalizer.update(vector)
        self.goal_normalizer.update(goal)
        self.achieved_normalizer.update(achieved_goal)

    def seen_goal(self, goal: Tensor, encoded: Encoded) -> Tensor:
        """The goal as actor and critic read it, (B, G): normalised, or as seen from the estimated achieved goal."""
        if not self.goal_from_estimate:
            return self.goal_normalizer(goal)
        assert encoded.estimate is not None
        return self.achieved_normalizer(goal) - tiled(encoded.estimate.detach(), len(goal))

    def noise(self, rows: int) -> Tensor:
        """(rows, A) standard normal numbers for the actor."""
        return torch.randn(rows, self.actor.action_size, device=self.device, generator=self.generator)

    def _metres(self, estimate: Tensor | None) -> Tensor | None:
        """An estimate in the achieved goal's own units."""
        return None if estimate is None else estimate / self.achieved_normalizer.scale + self.achieved_normalizer.shift

    def softmax_temperature(self) -> Tensor | None:
        """Of the encoder's SpatialSoftmax, a 0-d tensor; None if it has none."""
        head = self.encoder.head if isinstance(self.encoder, PixelEncoder) else None
        return head.log_temperature.exp() if isinstance(head, SpatialSoftmax) else None

    def gradient_norms(self, *modules: str) -> dict[str, Tensor]:
        """L2 norm of each module's gradient in the latest update, 0-d tensors; nothing for those that have none."""
        norms = {}
        for name in modules:
            gradients = [p.grad for p in getattr(self, name).parameters() if p.grad is not None]
            if gradients:
                norms[f"{name}_grad_norm"] = torch.stack(torch._foreach_norm(gradients)).norm()
        return norms

    # ------------------------------------------------------------------ saving

    def parts(self, names: Sequence[str]) -> dict[str, Any]:
        """Those of the parts so named that this agent has."""
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    def policy_state(self) -> dict[str, Any]:
        """What `act()` needs."""
        return {name: part.state_dict() for name, part in self.parts(self.POLICY).items()}

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """Raises RuntimeError or KeyError if the state is not of these networks."""
        for name, part in self.parts(self.POLICY).items():
            part.load_state_dict(state[name])


def tiled(features: Tensor, rows: int) -> Tensor:
    """Features of P pictures (P, F) for `rows` goals (rows, F): the b-th belongs to picture b mod P."""
    return features if len(features) == rows else features.repeat(rows // len(features), 1)
