"""Soft actor-critic (Haarnoja et al. 2018) for goals. One method an equation, in the order of the update.

Which loss trains the encoder is a row of the table in `agent/routing.py`. By default ("critic"):
- the critic's optimizer owns the encoder and the critic;
- the actor's optimizer owns the actor, which reads `state.detach()`;
- while the actor's loss runs through the critic, the critic's parameters are frozen;
- the target critic moves by polyak averaging alone. There is no target encoder (as in DrQ-v2), unless asked for.
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
        routing: which loss trains the encoder, a key of `ROUTINGS`; the agent has as many encoders as it says.
        gamma: discount, for the bounds of Q. The target uses the batch's own, `Batch.discount`.
        tau: polyak step of the target networks.
        alpha: entropy temperature, or "auto" to learn it for a target entropy of -A, from 0.1 on.
        reward_range: the least and the greatest reward of a step, infinite where unknown.
        options: learning rates and class of the optimizers, as of `make_optimizers`.
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
        # Learned from 0.1 on, as in pytorch_sac: from 1, SB3's start, entropy outweighs the first rewards of -1 a step.
        initial = math.log(0.1 if alpha == "auto" else float(alpha))
        self.log_alpha = torch.tensor(initial, device=agent.device, requires_grad=alpha == "auto")
        self.optimizers = make_optimizers(agent, self.routing, log_alpha=self.log_alpha, **options)
        # Kept as lists, for walking through the modules at every update shows in a profile.
        self.critic_parameters = list(agent.critic.parameters())
        self.target_parameters, self.online_parameters = agent.target_pairs()

    def update(self, batch: Batch) -> tuple[Metrics, Features]:
        """One step of encoder, critic, actor, temperature and target, on a minibatch, its images shifted where that is
        wanted. Returns metrics and the features of its observations, detached. Waits for nothing."""
        features = encode(self.agent, batch)
        return self.update_from(features, batch), features.detach()

    def update_from(self, features: Features, batch: Batch) -> Metrics:
        """The same from features that are there. Detached ones, of an update before, leave the encoder as it is."""
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
        """J_Q = E[(Q1(s, a) - y)^2 + (Q2(s, a) - y)^2] / 2, with the auxiliary losses, into critic and encoder."""
        target = self.target(batch, features)
        q1, q2 = self.agent.critic(state if self.routing.critic_trains else state.detach(), batch.action)
        loss = (F.mse_loss(q1, target) + F.mse_loss(q2, target)) / 2
        metrics = {"critic_loss": loss.detach(), "q": q1.detach().mean(), "target_q": target.mean()}
        for other, reported in self.agent.auxiliary_losses(features.encoded, batch):
            loss, metrics = loss + other, metrics | reported
        minimize(loss, self.optimizers["critic"])
        return metrics

    def update_actor(self, batch: Batch, state: Tensor, features: Features) -> Metrics:
        """J_pi = E[alpha log pi(a | s) - min Q(s, a)], into the actor and, where the routing says so, its encoder."""
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
