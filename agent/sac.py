"""Soft actor-critic (Haarnoja et al. 2018) for goals. One method an equation, in the order of the update.

Where the gradient goes is written here and nowhere else:
- the critic's optimizer owns the encoder and the critic;
- the actor's optimizer owns the actor, which reads `features.detach()`;
- while the actor's loss runs through the critic, the critic's parameters are frozen;
- the target critic moves by polyak averaging alone. There is no target encoder (as in DrQ-v2).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.networks import Actor, TwinCritic
from agent.normalizer import Normalizer
from replay.batch import Batch


class SAC:
    """Actor, twin critic, their optimizers, and one `update()`.

    Args:
        encoder: (B, V) -> (B, encoder.feature_size).
        vector_size, goal_size, action_size: V, G, A.
        width, depth: hidden units and hidden layers of actor and critics.
        layer_norm: LayerNorm after each hidden layer of the critics.
        normalize: running mean/std of the vector and the goal.
        learning_rate: of all optimizers (Adam).
        gamma: discount.
        tau: polyak step of the target critic.
        alpha: entropy temperature, or "auto" to learn it for a target entropy of -A.
        target_range: bounds of any true Q, to clip targets to; infinite where unknown.
        device, seed: where it lives; the seed of initial weights and action noise.
    """

    def __init__(
        self,
        encoder: nn.Module,
        vector_size: int,
        goal_size: int,
        action_size: int,
        *,
        width: int = 256,
        depth: int = 2,
        layer_norm: bool = True,
        normalize: bool = True,
        learning_rate: float = 1e-3,
        gamma: float = 0.95,
        tau: float = 0.005,
        alpha: float | str = 0.05,
        target_range: tuple[float, float] = (-math.inf, math.inf),
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        self.device = torch.device(device)
        self.gamma, self.tau, self.target_range = gamma, tau, target_range
        self.generator = torch.Generator(self.device).manual_seed(seed)
        features = int(encoder.feature_size)  # type: ignore[arg-type]
        with torch.random.fork_rng(devices=[]):  # initial weights depend on the seed alone, and disturb nobody
            torch.manual_seed(seed)
            actor = Actor(features, goal_size, action_size, width, depth)
            critic = TwinCritic(features, goal_size, action_size, width, depth, layer_norm)
        self.encoder, self.actor, self.critic = encoder.to(self.device), actor.to(self.device), critic.to(self.device)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        # Kept, for walking through the modules at every update shows in a profile.
        self.critic_parameters: list[Tensor] = list(self.critic.parameters())
        self.target_parameters: list[Tensor] = list(self.target_critic.parameters())
        self.vector_normalizer = Normalizer(vector_size, normalize).to(self.device)
        self.goal_normalizer = Normalizer(goal_size, normalize).to(self.device)

        self.learns_alpha = alpha == "auto"
        self.target_entropy = -float(action_size)
        initial = 0.0 if self.learns_alpha else math.log(float(alpha))
        self.log_alpha = torch.tensor(initial, device=self.device, requires_grad=self.learns_alpha)

        def adam(*parameters: Tensor) -> torch.optim.Adam:
            return torch.optim.Adam(parameters, lr=learning_rate, fused=True)

        self.critic_optimizer = adam(*self.encoder.parameters(), *self.critic_parameters)
        self.actor_optimizer = adam(*self.actor.parameters())
        self.temperature_optimizer = adam(self.log_alpha) if self.learns_alpha else None

    # ------------------------------------------------------------------ acting

    @torch.no_grad()
    def act(self, vector: Tensor, goal: Tensor, *, deterministic: bool = False) -> Tensor:
        """Actions (N, A) in [-1, 1] for (N, V) and (N, G): a sample, or the tanh of the mean."""
        features, goal = self.encoder(self.vector_normalizer(vector)), self.goal_normalizer(goal)
        if deterministic:
            return self.actor(features, goal)[0].tanh()
        return self.actor.sample(features, goal, self._noise(len(goal)))[0]

    def observe(self, vector: Tensor, goal: Tensor) -> None:
        """Show the normalisers what the environments showed, (N, V) and (N, G)."""
        self.vector_normalizer.update(vector)
        self.goal_normalizer.update(goal)

    def _noise(self, rows: int) -> Tensor:
        return torch.randn(rows, self.actor.action_size, device=self.device, generator=self.generator)

    # ------------------------------------------------------------------ learning

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One step of critic, actor, temperature and target. Returns detached 0-d tensors; nothing waits for them."""
        goal, next_goal = self.goal_normalizer(batch.goal), self.goal_normalizer(batch.next_goal)
        features = self.encoder(self.vector_normalizer(batch.vector))  # (B, F), with gradient
        with torch.no_grad():
            next_features = self.encoder(self.vector_normalizer(batch.next_vector))
        target = self.target(batch, next_features, next_goal)
        metrics = self.update_critic(batch, features, goal, target)
        actor_metrics, entropy = self.update_actor(features.detach(), goal)
        metrics |= actor_metrics
        if self.temperature_optimizer is not None:
            metrics |= self.update_temperature(entropy)
        self.update_target()
        return metrics

    @torch.no_grad()
    def target(self, batch: Batch, next_features: Tensor, next_goal: Tensor) -> Tensor:
        """y = r + gamma (1 - terminated) (min Q'(s', a') - alpha log pi(a' | s')), (B,). Truncation bootstraps."""
        next_action, log_prob = self.actor.sample(next_features, next_goal, self._noise(len(next_goal)))
        next_q = torch.minimum(*self.target_critic(next_features, next_goal, next_action))
        soft_value = next_q - self.log_alpha.exp() * log_prob
        target = batch.reward + self.gamma * (1 - batch.terminated) * soft_value
        return target.clamp(*self.target_range)

    def update_critic(self, batch: Batch, features: Tensor, goal: Tensor, target: Tensor) -> dict[str, Tensor]:
        """J_Q = E[(Q1(s, a) - y)^2 + (Q2(s, a) - y)^2] / 2, into critic and encoder."""
        q1, q2 = self.critic(features, goal, batch.action)
        loss = (F.mse_loss(q1, target) + F.mse_loss(q2, target)) / 2
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        return {"critic_loss": loss.detach(), "q": q1.detach().mean(), "target_q": target.mean()}

    def update_actor(self, features: Tensor, goal: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """J_pi = E[alpha log pi(a | s) - min Q(s, a)], into the actor alone; `features` come detached."""
        action, log_prob = self.actor.sample(features, goal, self._noise(len(goal)))
        self._freeze_critic(True)
        q = torch.minimum(*self.critic(features, goal, action))
        loss = (self.log_alpha.detach().exp() * log_prob - q).mean()
        self.actor_optimizer.zero_grad()
        loss.backward()
        self.actor_optimizer.step()
        self._freeze_critic(False)
        entropy = -log_prob.detach().mean()
        return {"actor_loss": loss.detach(), "entropy": entropy}, entropy

    def _freeze_critic(self, frozen: bool) -> None:
        for parameter in self.critic_parameters:
            parameter.requires_grad_(not frozen)

    def update_temperature(self, entropy: Tensor) -> dict[str, Tensor]:
        """J_alpha = log alpha (H - H_target): the temperature rises while entropy is below its target."""
        assert self.temperature_optimizer is not None
        loss = self.log_alpha * (entropy - self.target_entropy)
        self.temperature_optimizer.zero_grad()
        loss.backward()
        self.temperature_optimizer.step()
        return {"alpha": self.log_alpha.detach().exp(), "temperature_loss": loss.detach()}

    @torch.no_grad()
    def update_target(self) -> None:
        """theta' <- theta' + tau (theta - theta')."""
        torch._foreach_lerp_(self.target_parameters, self.critic_parameters, self.tau)

    def gradient_norms(self) -> dict[str, Tensor]:
        """L2 norm of each module's gradient in the latest update, 0-d tensors."""
        norms = {}
        for name in ("encoder", "critic", "actor"):
            gradients = [p.grad for p in getattr(self, name).parameters() if p.grad is not None]
            if gradients:
                norms[f"{name}_grad_norm"] = torch.stack(torch._foreach_norm(gradients)).norm()
        return norms

    # ------------------------------------------------------------------ saving

    MODULES = ("encoder", "actor", "critic", "target_critic", "vector_normalizer", "goal_normalizer")
    OPTIMIZERS = ("critic_optimizer", "actor_optimizer", "temperature_optimizer")

    def policy_state(self) -> dict[str, Any]:
        """What `act()` needs."""
        names = ("encoder", "actor", "vector_normalizer", "goal_normalizer")
        return {name: getattr(self, name).state_dict() for name in names}

    def load_policy_state(self, state: dict[str, Any]) -> None:
        """Raises RuntimeError or KeyError if the state is not of these networks."""
        for name in ("encoder", "actor", "vector_normalizer", "goal_normalizer"):
            getattr(self, name).load_state_dict(state[name])

    def state_dict(self) -> dict[str, Any]:
        """Everything that `update()` and `act()` depend on."""
        parts = [name for name in self.MODULES + self.OPTIMIZERS if getattr(self, name) is not None]
        state: dict[str, Any] = {name: getattr(self, name).state_dict() for name in parts}
        return state | {"log_alpha": self.log_alpha.detach(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`."""
        for name in self.MODULES + self.OPTIMIZERS:
            if getattr(self, name) is not None:
                getattr(self, name).load_state_dict(state[name])
        with torch.no_grad():
            self.log_alpha.copy_(state["log_alpha"])
        self.generator.set_state(state["generator"].cpu())
