"""Soft actor-critic (Haarnoja et al. 2018) for goals. One method an equation, in the order of the update.

Which loss trains the encoder is a row of the table in `agent/routing.py`. By default ("critic"):
- the critic's optimizer owns the encoder and the critic;
- the actor's optimizer owns the actor, which reads `state.detach()`;
- while the actor's loss runs through the critic, the critic's parameters are frozen;
- the target critic moves by polyak averaging alone. There is no target encoder (as in DrQ-v2), unless asked for.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.agent import Agent
from agent.bounds import soft_q_bounds
from agent.features import Features, actor_states, encode
from agent.networks import frozen
from agent.optimizers import make_optimizers, minimize
from agent.routing import ROUTINGS
from auxiliary import Auxiliary, auxiliary_losses
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
        self.agent, self.routing = agent, ROUTINGS[routing]
        self.auxiliaries = [cast(Auxiliary, one) for one in agent.auxiliaries.values()]
        self.gamma, self.tau, self.reward_range = gamma, tau, reward_range
        self.target_entropy = -float(agent.config.action_size)
        # Learned from 0.1 on, as in pytorch_sac: from 1, SB3's start, entropy outweighs the first rewards of -1 a step.
        initial = math.log(0.1 if alpha == "auto" else float(alpha))
        self.log_alpha = torch.tensor(initial, device=agent.device, requires_grad=alpha == "auto")
        self.optimizers = make_optimizers(agent, self.routing, log_alpha=self.log_alpha, **options)
        # Kept as lists, for walking through the modules at every update shows in a profile.
        self.critic_parameters = list(agent.critic.parameters())
        self.target_parameters, self.online_parameters = agent.target_pairs()

    def update(self, batch: Batch, features: Features | None = None) -> tuple[Metrics, Features]:
        """One step of encoder, critic, actor, temperature and target. Waits for nothing.

        Args:
            batch: a minibatch, its images shifted where that is wanted.
            features: of its observations, from an update before, where they are not to be encoded again.

        Returns:
            metrics, and the features, detached: from them an update does not train the encoder.
        """
        if features is None:
            features = encode(self.agent, batch)
        state = self.agent.state(features.critic, batch.goal)  # (B, S)
        metrics = self.update_critic(batch, state, features.encoded, self.target(batch, features))
        metrics |= self.update_actor(batch, state, features)
        metrics |= self.update_temperature(metrics["entropy"])
        self.update_target()
        return metrics, features.detach()

    @torch.no_grad()
    def target(self, batch: Batch, features: Features) -> Tensor:
        """y = r + gamma (1 - terminated) (min Q'(s', a') - alpha log pi(a' | s')), (B,). Truncation bootstraps."""
        state = self.agent.state(features.next_actor, batch.next_goal)  # (B, S)
        one = features.next_critic is features.next_actor  # without a second encoder
        target_state = state if one else self.agent.state(features.next_critic, batch.next_goal)
        action, log_prob = self.agent.actor.sample(state, self.agent.noise(len(state)))
        q = torch.minimum(*self.agent.target_critic(target_state, action))
        lowest, highest = soft_q_bounds(self.reward_range, self.gamma, self.log_alpha, self.agent.config.action_size)
        soft_value = q.clamp(min=lowest).minimum(highest) - self.log_alpha.exp() * log_prob
        return batch.reward + batch.discount * soft_value

    def update_critic(self, batch: Batch, state: Tensor, encoded: Tensor | None, target: Tensor) -> Metrics:
        """J_Q = E[(Q1(s, a) - y)^2 + (Q2(s, a) - y)^2] / 2, with the auxiliary losses, into critic and encoder."""
        if not self.routing.critic_trains:
            state = state.detach()
        q1, q2 = self.agent.critic(state, batch.action)
        loss = (F.mse_loss(q1, target) + F.mse_loss(q2, target)) / 2
        metrics = {"critic_loss": loss.detach(), "q": q1.detach().mean(), "target_q": target.mean()}
        for other, reported in auxiliary_losses(self.auxiliaries, encoded, batch):
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
        if not self.log_alpha.requires_grad:
            return {}
        loss = self.log_alpha * (entropy - self.target_entropy)
        minimize(loss, self.optimizers["temperature"])
        return {"alpha": self.log_alpha.detach().exp(), "temperature_loss": loss.detach()}

    @torch.no_grad()
    def update_target(self) -> None:
        """theta' <- theta' + tau (theta - theta')."""
        torch._foreach_lerp_(self.target_parameters, self.online_parameters, self.tau)
