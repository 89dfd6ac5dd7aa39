"""Soft actor-critic (Haarnoja et al. 2018) for goals. One method an equation, in the order of the update.

Which loss trains the encoder is a row of the table in `agent/routing.py`. By default ("critic"):
- the critic's optimizer owns the encoder and the critic;
- the actor's optimizer owns the actor, which reads `state.detach()`;
- while the actor's loss runs through the critic, the critic's parameters are frozen;
- the target critic moves by polyak averaging alone. There is no target encoder (as in DrQ-v2), unless asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.agent import Agent, gradient_norm
from agent.bounds import soft_q_bounds
from agent.features import Features, encode
from agent.networks import frozen
from agent.optimizers import encoder_parameters, make_optimizers, minimize
from agent.routing import ROUTINGS
from auxiliary import Auxiliary
from replay.batch import Batch

Metrics = dict[str, Tensor]  # 0-d, detached


class SAC:
    """The losses of an agent, their optimizers, and one `update()`.

    Args:
        agent: networks and normalisers.
        routing: which loss trains the encoder, a key of `ROUTINGS`; the agent has as many encoders as it says.
        shift: shifts the images of a batch.
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
        shift: Callable[[Batch], Batch] = lambda batch: batch,
        gamma: float = 0.95,
        tau: float = 0.005,
        alpha: float | str = 0.05,
        reward_range: tuple[float, float] = (-math.inf, math.inf),
        **options: Any,
    ) -> None:
        self.agent, self.routing, self.shift = agent, ROUTINGS[routing], shift
        self.auxiliaries = [cast(Auxiliary, one) for one in agent.auxiliaries.values()]
        self.gamma, self.tau, self.reward_range = gamma, tau, reward_range
        self.target_entropy = -float(agent.config.action_size)
        # Learned from 0.1 on, as in pytorch_sac: from 1, SB3's start, entropy outweighs the first rewards of -1 a step.
        initial = math.log(0.1 if alpha == "auto" else float(alpha))
        self.log_alpha = torch.tensor(initial, device=agent.device, requires_grad=alpha == "auto")
        self.optimizers = make_optimizers(agent, self.routing, log_alpha=self.log_alpha, **options)
        # Kept as lists, for walking through the modules at every update shows in a profile.
        self.critic_parameters = list(agent.critic.parameters())
        self.encoder_parameters = encoder_parameters(agent)
        self.target_parameters, self.online_parameters = agent.target_pairs()

    def update(self, batch: Batch) -> tuple[Metrics, Features]:
        """One step of encoder, critic, actor, temperature and target. Waits for nothing.

        Returns:
            metrics, and the batch's features, detached, for further updates from them.
        """
        batch = self.shift(batch)
        features = encode(self.agent, batch)
        return self.update_from(features, batch), features.detach()

    def update_from(self, features: Features, batch: Batch) -> Metrics:
        """One step from encoded features of the batch's transitions. Detached features do not train the encoder."""
        state = self.agent.state(features.critic, batch.goal)  # (B, S)
        target = self.target(batch, features)
        metrics = self.update_critic(batch, state, features.encoded, target)
        actor_inputs = features.actor
        if self.routing.shared and features.encoded is not None:  # the critic's step has just moved the encoder
            actor_inputs = self.agent.inputs(self.agent.encode(batch.obs))
            state = self.agent.state(actor_inputs, batch.goal)
        metrics |= self.update_actor(batch, state, actor_inputs)
        metrics |= self.update_temperature(metrics["entropy"])
        self.update_target()
        return metrics | self.encoder_norm()

    @torch.no_grad()
    def target(self, batch: Batch, features: Features) -> Tensor:
        """y = r + gamma (1 - terminated) (min Q'(s', a') - alpha log pi(a' | s')), (B,). Truncation bootstraps."""
        state = critic_state = self.agent.state(features.next_actor, batch.next_goal)
        if features.next_critic is not features.next_actor:
            critic_state = self.agent.state(features.next_critic, batch.next_goal)
        action, log_prob = self.agent.actor.sample(state, self.agent.noise(len(state)))
        q = torch.minimum(*self.agent.target_critic(critic_state, action))
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
        if encoded is not None:
            for auxiliary in self.auxiliaries:
                other, reported = auxiliary.loss(encoded, batch)
                loss, metrics = loss + other, metrics | reported
        minimize(loss, self.optimizers["critic"])
        return metrics

    def update_actor(self, batch: Batch, critic_state: Tensor, inputs: Tensor) -> Metrics:
        """J_pi = E[alpha log pi(a | s) - min Q(s, a)], into the actor and, where the routing says so, its encoder."""
        state = self.agent.state(inputs, batch.goal) if self.routing.actor_trains else critic_state.detach()
        action, log_prob = self.agent.actor.sample(state, self.agent.noise(len(state)))
        with frozen(self.critic_parameters):
            q = torch.minimum(*self.agent.critic(critic_state.detach(), action))
            loss = (self.log_alpha.detach().exp() * log_prob - q).mean()
            # Of the critic's optimizer only the encoder moves: the critic is frozen and has no gradient here.
            owners = ("actor", "critic") if self.routing.shared else ("actor",)
            minimize(loss, *(self.optimizers[name] for name in owners))
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

    def encoder_norm(self) -> Metrics:
        """Gradient norm of the encoder, of the latest loss that reached it; empty if it has no gradient."""
        norm = gradient_norm(self.encoder_parameters)
        return {} if norm is None else {"encoder_grad_norm": norm}
