"""Soft actor-critic (Haarnoja et al. 2018) for goals. One method an equation, in the order of the update.

Which loss trains the encoder is a row of the table in `agent/routing.py`, and what that means is written here; an
encoder with a goal head detaches the estimate that it shows (`encoders/joint.py`), and so does a goal as seen from it
(`ActorCritic.seen_goal`). By default ("critic"):
- the critic's optimizer owns the encoder and the critic;
- the actor's optimizer owns the actor, which reads `features.detach()`;
- while the actor's loss runs through the critic, the critic's parameters are frozen;
- the target critic moves by polyak averaging alone. There is no target encoder (as in DrQ-v2), unless asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.actor_critic import ActorCritic, Heads, tiled
from agent.routing import ROUTINGS
from agent.sights import Sights
from encoders import Encoded
from replay.batch import Batch

HUBER = 0.1  # standard deviations of the achieved goal: from Push, one or two centimetres


class SAC(ActorCritic):
    """Networks, their optimizers, and one `update()`.

    Args:
        encoders, heads, target_encoder, goal_from_estimate, device, seed: as of `ActorCritic`; as many encoders as the
            routing has.
        routing: which loss trains the encoder, a key of `ROUTINGS`.
        goal_loss: weight of the regression of the achieved goal by the encoder's goal head.
        learning_rate, encoder_learning_rate: of all optimizers (Adam); of the encoder, None for the same.
        gamma: discount.
        tau: polyak step of the target networks.
        alpha: entropy temperature, or "auto" to learn it for a target entropy of -A.
        reward_range: the least and the greatest reward of a step, which bound what is bootstrapped; infinite where
            unknown.
    """

    OPTIMIZERS = ("critic_optimizer", "actor_optimizer", "temperature_optimizer")

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        heads: Heads,
        *,
        routing: str = "critic",
        target_encoder: bool = False,
        goal_loss: float = 0.0,
        goal_from_estimate: bool = False,
        learning_rate: float = 1e-3,
        encoder_learning_rate: float | None = None,
        gamma: float = 0.95,
        tau: float = 0.005,
        alpha: float | str = 0.05,
        reward_range: tuple[float, float] = (-math.inf, math.inf),
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        super().__init__(encoders, heads, target_encoder, goal_from_estimate, device, seed)
        self.gamma, self.tau, self.reward_range = gamma, tau, reward_range
        self.routing, self.goal_loss = ROUTINGS[routing], goal_loss
        self.learns_alpha = alpha == "auto"
        self.target_entropy = -float(heads.action_size)
        initial = 0.0 if self.learns_alpha else math.log(float(alpha))
        self.log_alpha = torch.tensor(initial, device=self.device, requires_grad=self.learns_alpha)
        self._make_optimizers(learning_rate, encoder_learning_rate or learning_rate)

    def _make_optimizers(self, learning_rate: float, encoder_learning_rate: float) -> None:
        def adam(module: nn.Module, encoder: nn.Module | None) -> torch.optim.Adam:
            groups: list[dict[str, Any]] = [{"params": list(module.parameters())}]
            if encoder is not None and (own := list(encoder.parameters())):
                groups.append({"params": own, "lr": encoder_learning_rate})
            return torch.optim.Adam(groups, lr=learning_rate, fused=True)

        actor_alone = self.routing.actor_trains and not self.routing.critic_trains
        self.critic_optimizer = adam(self.critic, None if actor_alone else self.encoder)
        self.actor_optimizer = adam(self.actor, self.encoder if actor_alone else self.actor_encoder)
        self.temperature_optimizer = (
            torch.optim.Adam([self.log_alpha], lr=learning_rate, fused=True) if self.learns_alpha else None
        )

    # ------------------------------------------------------------------ learning

    def scale_learning_rates(self, factor: float) -> None:
        """Set all learning rates to `factor` of those that the agent was made with."""
        for optimizer in self.parts(self.OPTIMIZERS).values():
            for group in optimizer.param_groups:
                rate = factor * group.setdefault("initial_lr", group["lr"])
                if isinstance(group["lr"], Tensor):  # which a CUDA graph reads
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def update(self, batch: Batch, *more: Batch) -> dict[str, Tensor]:
        """One step of encoder, critic, actor, temperature and target. Returns 0-d tensors of `batch`, without waiting.

        Args:
            batch: transitions.
            more: the same transitions with other goals. The pictures are not encoded again: each is one more step of
                actor, critic, temperature and target critic on features that are detached. Without any, and with as
                many goals as pictures, the gradients go DrQ-v2's way (Yarats et al. 2021); it has n-step returns and a
                noise schedule where SAC has entropy, and a trunk for the actor and one for the critic where we share
                one.
        """
        sights = self.encode(batch)
        metrics = self.update_heads(batch, sights)
        self.update_heads_again(more, sights.detach())
        return metrics

    def update_heads_again(self, batches: Sequence[Batch], sights: Sights) -> None:
        """For each of `batches` one more step of everything behind the encoder, on features that are detached."""
        for batch in batches:
            self.update_heads(batch, sights)

    def encode(self, batch: Batch) -> Sights:
        """Every picture once, and with gradient only where the routing has one of the losses train the encoder."""
        vector, next_vector = self.vector_normalizer(batch.vector), self.vector_normalizer(batch.next_vector)
        critic = actor = self.encoder(vector, batch.pixels)
        with torch.no_grad():
            next_critic = next_actor = self.encoder(next_vector, batch.next_pixels)
            if self.target_encoder is not None:
                next_critic = self.target_encoder(next_vector, batch.next_pixels)
        if self.actor_encoder is not None:
            actor = self.actor_encoder(vector, batch.pixels)
            with torch.no_grad():
                next_actor = self.actor_encoder(next_vector, batch.next_pixels)
        return Sights(critic, next_critic, actor, next_actor)

    def update_heads(self, batch: Batch, sights: Sights) -> dict[str, Tensor]:
        """One step of everything behind the encoder, and of the encoder where `sights` carry its gradient."""
        target = self.target(batch, sights)
        metrics = self.update_critic(batch, sights.critic, target)
        actor_metrics, entropy = self.update_actor(batch, sights)
        metrics |= actor_metrics
        if self.temperature_optimizer is not None:
            metrics |= self.update_temperature(entropy)
        self.update_target()
        return metrics

    @torch.no_grad()
    def target(self, batch: Batch, sights: Sights) -> Tensor:
        """y = r + gamma (1 - terminated) (min Q'(s', a') - alpha log pi(a' | s')), (B,). Truncation bootstraps."""
        actor_goal = self.seen_goal(batch.next_goal, sights.next_actor)
        critic_goal = self.seen_goal(batch.next_goal, sights.next_critic)
        features = tiled(sights.next_actor.features, len(actor_goal))
        next_action, log_prob = self.actor.sample(features, actor_goal, self.noise(len(actor_goal)))
        features = tiled(sights.next_critic.features, len(critic_goal))
        next_q = torch.minimum(*self.target_critic(features, critic_goal, next_action))
        lowest, highest = self.q_range()
        soft_value = next_q.clamp(min=lowest).minimum(highest) - self.log_alpha.exp() * log_prob
        return batch.reward + self.gamma * (1 - batch.terminated) * soft_value

    def q_range(self) -> tuple[float, Tensor]:
        """Bounds of the optimal soft Q: the lowest reward forever; the highest one, and the most entropy from then on.

        The upper one holds for any policy in [-1, 1]^A: none has more entropy than uniform actions, A log 2. The lower
        one holds for those at least as good as uniform actions, whose entropy adds something. Targets stay unclipped:
        each has a sample of log pi, which no such bound holds.
        """
        low, high = self.reward_range
        entropy = self.log_alpha.detach().exp() * self.actor.action_size * math.log(2)
        return low / (1 - self.gamma), (high + self.gamma * entropy) / (1 - self.gamma)

    def update_critic(self, batch: Batch, encoded: Encoded, target: Tensor) -> dict[str, Tensor]:
        """J_Q = E[(Q1(s, a) - y)^2 + (Q2(s, a) - y)^2] / 2, into critic and, where the routing says so, encoder."""
        features = encoded.features if self.routing.critic_trains else encoded.features.detach()
        goal = self.seen_goal(batch.goal, encoded)
        q1, q2 = self.critic(tiled(features, len(goal)), goal, batch.action)
        loss = (F.mse_loss(q1, target) + F.mse_loss(q2, target)) / 2
        metrics = {"critic_loss": loss.detach(), "q": q1.detach().mean(), "target_q": target.mean()}
        reaches_encoder = features.requires_grad
        if encoded.estimate is not None and encoded.estimate.requires_grad:
            reaches_encoder = True
            goal_loss, error = self.regression(batch, encoded.estimate)
            metrics |= {"goal_loss": goal_loss.detach(), "replay_error_cm": error}
            loss = loss + self.goal_loss * goal_loss
        self.critic_optimizer.zero_grad()
        loss.backward()
        if reaches_encoder:
            metrics |= self.gradient_norms("encoder")  # now: further updates of the heads clear it
        self.critic_optimizer.step()
        return metrics

    def regression(self, batch: Batch, estimate: Tensor) -> tuple[Tensor, Tensor]:
        """Huber loss of the estimated achieved goal, into encoder and goal head; and its mean error in centimetres.

        A block that fell off the table is out of the pictures, and by far the largest error. So that it does not swamp
        the rest, normalising clips its position, and the loss grows as the square up to HUBER only, then linearly.
        """
        assert batch.achieved_goal is not None
        achieved = self.achieved_normalizer(batch.achieved_goal)
        distance = ((estimate.detach() - achieved) / self.achieved_normalizer.scale).norm(dim=1)
        return F.smooth_l1_loss(estimate, achieved, beta=HUBER), 100 * distance.mean()

    def update_actor(self, batch: Batch, sights: Sights) -> tuple[dict[str, Tensor], Tensor]:
        """J_pi = E[alpha log pi(a | s) - min Q(s, a)], into the actor and, where the routing says so, its encoder."""
        encoded, shared = sights.actor, self.routing.actor_trains and self.actor_encoder is None
        again = shared and self.routing.critic_trains and encoded.features.requires_grad
        if again:  # the critic's step has moved the encoder: the actor's gradient needs a pass of its own
            encoded = self.encoder(self.vector_normalizer(batch.vector), batch.pixels)
            self.critic_optimizer.zero_grad()
        features = encoded.features if self.routing.actor_trains else encoded.features.detach()
        goal = self.seen_goal(batch.goal, encoded)
        action, log_prob = self.actor.sample(tiled(features, len(goal)), goal, self.noise(len(goal)))
        self._freeze_critic(True)
        seen = encoded if again else sights.critic
        q = torch.minimum(*self.critic(tiled(seen.features.detach(), len(goal)), goal, action))
        loss = (self.log_alpha.detach().exp() * log_prob - q).mean()
        self.actor_optimizer.zero_grad()
        loss.backward()
        self.actor_optimizer.step()
        if again:
            self.critic_optimizer.step()  # of what it owns, only the encoder has a gradient now
        self._freeze_critic(False)
        entropy = -log_prob.detach().mean()
        metrics = {"actor_loss": loss.detach(), "entropy": entropy}
        if shared and not self.routing.critic_trains and features.requires_grad:
            metrics |= self.gradient_norms("encoder")
        return metrics, entropy

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
        torch._foreach_lerp_(self.target_parameters, self.online_parameters, self.tau)

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, Any]:
        """Everything that `update()` and `act()` depend on."""
        parts = self.parts(self.MODULES + self.OPTIMIZERS)
        state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
        return state | {"log_alpha": self.log_alpha.detach(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`."""
        for name, part in self.parts(self.MODULES + self.OPTIMIZERS).items():
            part.load_state_dict(state[name])
        for optimizer in self.parts(self.OPTIMIZERS).values():  # the state may be of a run with a CUDA graph
            for group in optimizer.param_groups:
                group["capturable"], group["lr"] = False, float(group["lr"])
        with torch.no_grad():
            self.log_alpha.copy_(state["log_alpha"])
        self.generator.set_state(state["generator"].cpu())
