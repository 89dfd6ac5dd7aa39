"""A minibatch's observations, encoded once by each encoder that reads them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from agent.agent import Agent
from agent.routing import Routing
from replay.batch import Batch


class Features(NamedTuple):
    """Network inputs for P observations, without goals. Networks that share an encoder share the tensor."""

    encoded: Tensor | None  # (P, F), encoder output with gradient, for auxiliary losses; None: encoder not trained
    critic: Tensor  # (P, I); of a critic that reads the full state (P, S + G), as `Privileged` makes it
    actor: Tensor  # (P, I)
    next_critic: Tensor  # as critic, for the target critic, from the target encoder if there is one
    next_actor: Tensor  # (P, I)

    def detach(self) -> Features:
        """Detach all features, for further updates that leave the encoder unchanged."""
        return Features(None, self.critic.detach(), self.actor.detach(), self.next_critic, self.next_actor)


def encode(agent: Agent, batch: Batch) -> Features:
    """Encode observations with gradient and next observations without; encode nothing if estimates replace images."""
    if "estimate" in batch.obs:
        assert "pixels" not in batch.obs, "the replay was asked for both: what is to be encoded?"
        inputs, next_inputs = agent.from_estimate(batch.obs), agent.from_estimate(batch.next_obs)
        return Features(None, inputs, inputs, next_inputs, next_inputs)
    obs, next_obs = agent.normalized(batch.obs), agent.normalized(batch.next_obs)
    encoded = agent.encoder(obs)
    before = next_before = None
    if agent.goal_motion:
        before, next_before = batch.obs["estimate_before"], batch.next_obs["estimate_before"]
    critic = actor = agent.with_estimate(encoded, before)
    if agent.actor_encoder is not None:
        actor = agent.with_estimate(agent.actor_encoder(obs))
    with torch.no_grad():
        next_critic = next_actor = agent.with_estimate((agent.actor_encoder or agent.encoder)(next_obs), next_before)
        if agent.actor_encoder is not None or agent.target_encoder is not None:
            target_features = (agent.target_encoder or agent.encoder)(next_obs)
            next_critic = agent.with_estimate(target_features, regression=agent.target_regression)
    if agent.privileged is not None:
        critic, next_critic = agent.privileged(batch.obs), agent.privileged(batch.next_obs)
    return Features(encoded, critic, actor, next_critic, next_actor)


def next_states(agent: Agent, features: Features, next_goal: Tensor) -> tuple[Tensor, Tensor]:
    """States (B, S) of the next observations, for the actor and for the target critic."""
    state = agent.state(features.next_actor, next_goal)
    if features.next_critic is features.next_actor:  # one encoder, and no target encoder
        return state, state
    return state, agent.critic_state(features.next_critic, next_goal)


def actor_states(
    agent: Agent, routing: Routing, features: Features, state: Tensor, batch: Batch
) -> tuple[Tensor, Tensor]:
    """States (B, S) of actor and critic in an actor loss that trains the encoder; `state` is the critic loss's."""
    inputs = features.actor
    critic_step_encodes = routing.critic_trains or (routing.owner == "critic" and len(agent.auxiliaries) > 0)
    shared = agent.actor_encoder is None and critic_step_encodes
    if shared and features.encoded is not None:  # the critic's backward() has freed the encoder's graph
        inputs = agent.with_estimate(agent.encoder(agent.normalized(batch.obs)))
        if agent.privileged is None:
            state = agent.state(inputs, batch.goal)
    return agent.state(inputs, batch.goal), state
