"""A minibatch's observations, encoded once by each encoder that reads them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from agent.agent import Agent
from replay.batch import Batch


class Features(NamedTuple):
    """Encoder outputs of P observations. `critic` and `actor` are the same tensor where they share an encoder."""

    encoded: Tensor | None  # (P, F), with gradient, for auxiliary losses; None where the encoder is not trained
    critic: Tensor  # (P, I), network input without the goal
    actor: Tensor
    next_critic: Tensor  # for the target critic: by the target encoder, where there is one
    next_actor: Tensor

    def detach(self) -> Features:
        """For further updates, which leave the encoder as it is."""
        return Features(None, self.critic.detach(), self.actor.detach(), self.next_critic, self.next_actor)


def encode(agent: Agent, batch: Batch) -> Features:
    """Encode observations with gradient, the next ones without; nothing where an estimate stands for the images."""
    if "estimate" in batch.obs:
        assert "pixels" not in batch.obs, "the replay was asked for both: what is to be encoded?"
        inputs, next_inputs = agent.inputs_from_estimate(batch.obs), agent.inputs_from_estimate(batch.next_obs)
        return Features(None, inputs, inputs, next_inputs, next_inputs)
    encoded = agent.encode(batch.obs)
    critic = actor = agent.inputs(encoded)
    if agent.actor_encoder is not None:
        actor = agent.inputs(agent.encode(batch.obs, agent.actor_encoder))
    with torch.no_grad():
        next_critic = next_actor = agent.inputs(agent.encode(batch.next_obs, agent.actor_encoder))
        if agent.actor_encoder is not None or agent.target_encoder is not None:
            next_critic = agent.inputs(agent.encode(batch.next_obs, agent.target_encoder), agent.target_regression)
    return Features(encoded, critic, actor, next_critic, next_actor)
