"""What actor and critic are shown of the regression's estimate."""

from __future__ import annotations

import pytest
import torch

from tests.agent.small import GOAL, VECTOR, random_batch, small_sac


@pytest.mark.parametrize(("goal_input", "before"), [("beside", 50 + VECTOR), ("instead", VECTOR)])
def test_what_stands_before_the_estimate(goal_input: str, before: int) -> None:
    agent, batch = small_sac("goal", goal_input=goal_input).agent, random_batch()
    features = agent.encode(batch.obs)
    inputs = agent.inputs(features)
    assert inputs.shape == (32, before + GOAL)
    assert inputs[:, :before].equal(features[:, -before:])
    assert agent.goal_regression is not None and features.requires_grad
    assert inputs[:, before:].equal(agent.goal_regression(features))
    (slope,) = torch.autograd.grad(inputs[:, before:].sum() + 0 * features.sum(), features)
    assert not slope.any(), "the estimate is shown without its gradient"


def test_without_a_vector_the_estimate_stands_alone() -> None:
    """As in reach-pixels, which sees pixels only."""
    agent = small_sac("goal", goal_input="instead", vector_size=0).agent
    obs = random_batch().obs | {"vector": torch.zeros(32, 0)}
    features = agent.encode(obs)
    estimate = agent.estimate(features)
    assert features.shape == (32, 50) and estimate is not None and agent.inputs(features).equal(estimate)
