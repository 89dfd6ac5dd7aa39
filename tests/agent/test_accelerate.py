"""The faster dtype: where it is, where it is not, and how little it changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from agent import SAC
from agent.accelerate import round_trunks
from agent.networks import MLP
from tests.agent.small import random_batch, small_agent, state_tensors


def networks(agent: SAC) -> list[MLP]:
    parts = (agent.actor, agent.critic, agent.target_critic)
    return [module for part in parts for module in part.modules() if isinstance(module, MLP)]


def test_trunks_compute_in_bfloat16_and_nothing_else_does() -> None:
    agent = small_agent(alpha="auto")
    round_trunks(agent)
    seen: dict[str, set[torch.dtype]] = {"trunk": set(), "head": set()}

    def watch(where: str) -> object:
        return lambda module, inputs, output: seen[where].add(output.dtype)

    for mlp in networks(agent):
        mlp.head.register_forward_hook(watch("head"))  # type: ignore[arg-type]
        for layer in mlp.trunk:
            if isinstance(layer, nn.Linear):
                layer.register_forward_hook(watch("trunk"))  # type: ignore[arg-type]
    assert len(networks(agent)) == 5
    metrics = agent.update(random_batch())
    assert seen == {"trunk": {torch.bfloat16}, "head": {torch.float32}}
    gradients = [p.grad for mlp in networks(agent) for p in mlp.parameters() if p.grad is not None]
    kept: list[Tensor] = [*metrics.values(), *gradients, *state_tensors(agent)]
    assert torch.bfloat16 not in {tensor.dtype for tensor in kept}


@pytest.mark.parametrize("layer_norm", [True, False])
def test_q_stays_near_that_of_float32(layer_norm: bool) -> None:
    """DESIGN allows 2e-2 after 100 updates, here of the largest |Q| of a batch."""
    exact = small_agent(width=64, layer_norm=layer_norm, gamma=0.9, target_range=(-10.0, 0.0))
    rounded = copy.deepcopy(exact)
    rounded.generator.set_state(exact.generator.get_state())
    round_trunks(rounded)
    for seed in range(100):
        for agent in (exact, rounded):
            agent.update(random_batch(seed, rows=128))
    batch = random_batch(1000, rows=128)

    def q(agent: SAC) -> Tensor:
        with torch.no_grad():
            features = agent.encoder(agent.vector_normalizer(batch.vector))
            return agent.critic(features, agent.goal_normalizer(batch.goal), batch.action)[0]

    difference = (q(rounded) - q(exact)).abs().max() / q(exact).abs().max()
    assert 0 < difference < 2e-2
