"""The networks and normalisers of an agent, and saving them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from agent.networks import Actor, TwinCritic
from agent.normalizer import Normalizer
from encoders.heads import SpatialSoftmax


class Parts:
    """Encoder (the actor's own, if there are two), actor, twin critic, their targets, and normalisers of the inputs.

    Args: as of `SAC`.
    """

    POLICY = ("encoder", "actor_encoder", "actor", "vector_normalizer", "goal_normalizer", "achieved_normalizer")
    MODULES = (*POLICY, "critic", "target_critic", "target_encoder")
    OPTIMIZERS = ("critic_optimizer", "actor_optimizer", "temperature_optimizer")

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        vector_size: int,
        goal_size: int,
        action_size: int,
        *,
        width: int,
        depth: int,
        layer_norm: bool,
        normalize: bool,
        target_encoder: bool,
        device: torch.device | str,
        seed: int,
    ) -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        features = int(encoders[0].feature_size)  # type: ignore[arg-type]
        with torch.random.fork_rng(devices=[]):  # initial weights depend on the seed alone, and disturb nobody
            torch.manual_seed(seed)
            actor = Actor(features, goal_size, action_size, width, depth)
            critic = TwinCritic(features, goal_size, action_size, width, depth, layer_norm)
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
        self.vector_normalizer = Normalizer(vector_size, normalize).to(self.device)
        self.goal_normalizer = Normalizer(goal_size, normalize).to(self.device)
        self.achieved_normalizer = Normalizer(goal_size, normalize).to(self.device)

    def softmax_temperature(self) -> Tensor | None:
        """Of the encoder's SpatialSoftmax, a 0-d tensor; None if it has none."""
        head = getattr(self.encoder, "head", None)
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
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    def policy_state(self) -> dict[str, Any]:
        """What `act()` needs."""
        return {name: part.state_dict() for name, part in self.parts(self.POLICY).items()}

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """Raises RuntimeError or KeyError if the state is not of these networks."""
        for name, part in self.parts(self.POLICY).items():
            part.load_state_dict(state[name])
