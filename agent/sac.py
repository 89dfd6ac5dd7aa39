"""Goal-conditioned soft actor-critic (Haarnoja et al. 2018), one method per equation, in the order of the update.

Which loss trains the encoder is a row of the table in `agent/routing.py`. By default ("critic"):
- the critic's optimizer owns the encoder and the critic;
- the actor's optimizer owns the actor, which reads `state.detach()`;
- while the actor's loss runs through the critic, the critic's parameters are frozen;
- the target critic moves only by polyak averaging. There is no target encoder (as in DrQ-v2), unless asked for.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.agent import Agent
from agent.features import Features, actor_states, encode, next_states
from agent.networks import QBounds, frozen
from agent.routing import ROUTINGS, make_optimizers, minimize
from replay.batch import Batch

Metrics = dict[str, Tensor]  # 0-d, detached


class SAC:
    """The losses of an agent, their optimizers, and one `update()`.

    Args:
        agent: networks and normalisers.
        routing: a key of `ROUTINGS`: which loss trains the encoder, and how many encoders the agent must have.
        gamma: discount, for the bounds on Q. The target uses the batch's own, `Batch.discount`.
        tau: polyak step of the target networks.
        alpha: entropy temperature, or "auto" to learn the temperature, from 0.1, for a target entropy of -A.
        reward_range: lowest and highest reward per step, infinite where unknown.
        options: learning rates and class of the optimizers, passed to `make_optimizers`.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        routing: str = "critic",
        gamma: float = 0.95,
        tau: float = 0.005,
        alpha: float | str = 0.05,
        reward_range: tuple[float, float] = (-math.inf, math.inf),
        **options: Any,
    ) -> None:
        self.agent, self.routing, self.tau = agent, ROUTINGS[routing], tau
        self.q_bounds = QBounds(reward_range, gamma, agent.config.action_size)
        self.target_entropy = -float(agent.config.action_size)
        # A learned temperature starts at 0.1, as in pytorch_sac: at 1 (SB3), entropy outweighs early rewards of -1.
        initial = math.log(0.1 if alpha == "auto" else float(alpha))
        self.log_alpha = torch.tensor(initial, device=agent.device, requires_grad=alpha == "auto")
        self.optimizers = make_optimizers(agent, self.routing, log_alpha=self.log_alpha, **options)
        # Kept as lists: walking through the modules at every update shows in a profile.
        self.critic_parameters = list(agent.critic.parameters())
        self.target_parameters, self.online_parameters = agent.target_pairs()

    def update(self, batch: Batch) -> tuple[Metrics, Features]:
        """Update encoder, critic, actor, temperature and target once, on a minibatch with images already augmented.
        Returns metrics and the detached features of the observations. Never waits for the device."""
        features = encode(self.agent, batch)
        return self.update_from(features, batch), features.detach()

    def update_from(self, features: Features, batch: Batch) -> Metrics:
        """Update once from given features. Detached features of an earlier update leave the encoder unchanged."""
        state = self.agent.critic_state(features.critic, batch.goal)  # (B, S)
        metrics = self.update_critic(batch, state, features)
        metrics |= self.update_actor(batch, state, features)
        if self.log_alpha.requires_grad:
            metrics |= self.update_temperature(metrics["entropy"])
        self.update_target()
        return metrics

    @torch.no_grad()
    def target(self, batch: Batch, features: Features) -> Tensor:
        """y = r + gamma (1 - terminated) (min Q'(s', a') - alpha log pi(a' | s')), (B,). Truncation bootstraps."""
        actor_state, critic_state = next_states(self.agent, features, batch.next_goal)  # (B, S) each
        action, log_prob = self.agent.actor.sample(actor_state, self.agent.noise(len(actor_state)))
        q = torch.minimum(*self.agent.target_critic(critic_state, action))
        soft_value = self.q_bounds.clip(q, self.log_alpha) - self.log_alpha.exp() * log_prob
        return batch.reward + batch.discount * soft_value

    def update_critic(self, batch: Batch, state: Tensor, features: Features) -> Metrics:
        """J_Q = E[(Q1(s, a) - y)^2 + (Q2(s, a) - y)^2] / 2, plus auxiliary losses; trains critic and encoder."""
        target = self.target(batch, features)
        q1, q2 = self.agent.critic(state if self.routing.critic_trains else state.detach(), batch.action)
        loss = (F.mse_loss(q1, target) + F.mse_loss(q2, target)) / 2
        metrics = {"critic_loss": loss.detach(), "q": q1.detach().mean(), "target_q": target.mean()}
        for other, reported in self.agent.auxiliary_losses(features.encoded, batch):
            loss, metrics = loss + other, metrics | reported
        minimize(loss, self.optimizers["critic"])
        return metrics

    def update_actor(self, batch: Batch, state: Tensor, features: Features) -> Metrics:
        """J_pi = E[alpha log pi(a | s) - min Q(s, a)]; trains the actor and, if the routing says so, its encoder."""
        actor_state = state.detach()
        if self.routing.actor_trains:
            actor_state, state = actor_states(self.agent, self.routing, features, state, batch)
        action, log_prob = self.agent.actor.sample(actor_state, self.agent.noise(len(state)))
        with frozen(self.critic_parameters):
            q = torch.minimum(*self.agent.critic(state.detach(), action))
            loss = (self.log_alpha.detach().exp() * log_prob - q).mean()
            minimize(loss, *(self.optimizers[name] for name in self.routing.actor_steps))
        return {"actor_loss": loss.detach(), "entropy": -log_prob.detach().mean()}

    def update_temperature(self, entropy: Tensor) -> Metrics:
        """J_alpha = log alpha (H - H_target): the temperature rises while entropy is below its target."""
        loss = self.log_alpha * (entropy - self.target_entropy)
        minimize(loss, self.optimizers["temperature"])
        return {"alpha": self.log_alpha.detach().exp(), "temperature_loss": loss.detach()}

    @torch.no_grad()
    def update_target(self) -> None:
        """theta' <- theta' + tau (theta - theta')."""
        torch._foreach_lerp_(self.target_parameters, self.online_parameters, self.tau)
