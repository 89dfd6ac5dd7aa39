"""What actor and critic are shown of the regression's estimate."""

from __future__ import annotations

import pytest
import torch

from agent.features import Features, encode
from tests.agent.small import GOAL, VECTOR, random_batch, same_tensor, small_sac, update


@pytest.mark.parametrize(("goal_input", "before"), [("concat", 50 + VECTOR), ("replace", VECTOR)])
def test_what_stands_before_the_estimate(goal_input: str, before: int) -> None:
    agent, batch = small_sac("goal", goal_input=goal_input).agent, random_batch()
    features = agent.encode(batch.obs)
    inputs = agent.with_estimate(features)
    assert inputs.shape == (32, before + GOAL)
    assert inputs[:, :before].equal(features[:, -before:])
    assert agent.goal_regression is not None and features.requires_grad
    assert inputs[:, before:].equal(agent.goal_regression(features))
    (slope,) = torch.autograd.grad(inputs[:, before:].sum() + 0 * features.sum(), features)
    assert not slope.any(), "the estimate is shown without its gradient"


def test_without_a_vector_the_estimate_stands_alone() -> None:
    """As in reach-pixels, which sees pixels only."""
    agent = small_sac("goal", goal_input="replace", vector_size=0).agent
    obs = random_batch().obs | {"vector": torch.zeros(32, 0)}
    features = agent.encode(obs)
    assert features.shape == (32, 50) and agent.goal_regression is not None
    assert agent.with_estimate(features).equal(agent.goal_regression(features))


def test_a_target_encoders_estimate_moves_with_it() -> None:
    """By polyak, and only the target critic reads it."""
    sac = small_sac("goal", goal_input="replace", target_encoder=True, tau=0.25)
    agent, batch = sac.agent, random_batch()
    assert agent.target_regression is not None and agent.goal_regression is not None
    old = [one.clone() for one in agent.target_regression.parameters()]
    update(sac, batch)
    for now, before, online in zip(
        agent.target_regression.parameters(), old, agent.goal_regression.mlp.parameters(), strict=True
    ):
        torch.testing.assert_close(now, 0.75 * before + 0.25 * online.detach())
    first = encode(agent, batch)
    with torch.no_grad():
        for one in agent.target_regression.parameters():
            one.zero_()
    second = encode(agent, batch)
    changed = {name for name, a, b in zip(Features._fields, first, second, strict=True) if not same_tensor(a, b)}
    assert changed == {"next_critic"}
