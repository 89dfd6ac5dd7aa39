"""Estimates of the achieved goal that the replay keeps, so that updates behind the encoder need no images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from replay.batch import Observation
from tests.training.test_pixels import SIGHT
from training.config import cli
from training.trainer import Trainer

STEPS = 60  # of each of two environments: an episode ends within them
FLAGS = ["--accelerate", "off", "--shift-pad", "0", "--updates-per-encoding", "3", "--learning-rate", "1e-12",
         "--buffer-size", "200"]  # fmt: skip


@pytest.fixture
def trainer() -> Iterator[Trainer]:
    """After an episode, with weights and normalisers that stand still."""
    one = Trainer(cli.parse([*SIGHT, *FLAGS]))
    torch.manual_seed(0)
    for normalizer in one.agent.normalizers:
        normalizer.update(torch.randn(100, len(normalizer.shift)) * 0.1 + 1)
    one.collector.update_normalizers = lambda *_: None
    one.start()
    for _ in range(STEPS):
        one.collector.begin_step(explore_only=False)
        one.collector.end_step()
    yield one
    one.close()


def estimated(trainer: Trainer, obs: Observation) -> Tensor:
    """From the images: encoder, regression, and back to metres by mean and deviation."""
    agent = trainer.agent
    regression = agent.goal_regression
    assert regression is not None
    deviation = regression.normalizer.running_var.sqrt()
    with torch.no_grad():
        return (regression(agent.encode(obs)) * deviation + regression.normalizer.running_mean).float()


def test_each_observation_is_stored_with_what_its_own_images_say(trainer: Trainer) -> None:
    """Of stacked images too, and of the last one of an episode, which no action follows."""
    storage = trainer.ring.storage
    batch = trainer.ring.sample(500)
    for obs in (batch.obs, batch.next_obs):
        torch.testing.assert_close(obs["estimate"], estimated(trainer, obs), rtol=1e-5, atol=1e-5)
        assert obs["estimate"].std(0).min() > 1e-4  # they differ
    assert storage.tables["end"][: STEPS * 2].max() == 50


def test_an_update_reads_images_once_and_kept_estimates_of_other_transitions_after_it(trainer: Trainer) -> None:
    (batches,) = trainer.updates.minibatches(1)
    seen, *others = batches
    goals = 2 * len(seen.obs["pixels"])
    assert len(others) == 2 and {len(batch.reward) for batch in batches} == {goals}
    assert set(seen.obs) == {"vector", "pixels", "row"}
    for batch in others:
        assert set(batch.obs) == {"vector", "estimate"} and len(batch.obs["estimate"]) == goals
        assert len(batch.action.unique(dim=0)) > goals // 2
    assert not others[0].action.equal(others[1].action)


def test_an_update_rewrites_the_estimates_of_its_images_and_no_others(trainer: Trainer) -> None:
    table = trainer.ring.storage.tables["estimate"]
    (batches,) = trainer.updates.minibatches(1)
    table.fill_(7.0)
    trainer.updates.update(batches)
    seen = torch.cat([batches[0].obs["row"], batches[0].next_obs["row"]])
    expected = torch.full_like(table, 7.0)
    for obs in (batches[0].obs, batches[0].next_obs):
        expected[obs["row"]] = estimated(trainer, obs)
    torch.testing.assert_close(table, expected, rtol=1e-5, atol=1e-5)
    assert len(seen.unique()) < len(table)


def test_actor_and_critic_read_the_same_of_an_estimate_as_of_its_images(trainer: Trainer) -> None:
    """Estimates far out too: neither way clips them."""
    agent, batch = trainer.agent, trainer.ring.sample(100)
    obs = batch.obs | {"estimate": 50 * batch.obs["estimate"]}
    assert agent.goal_regression is not None
    with torch.no_grad():
        final = cast(nn.Linear, agent.goal_regression.mlp[-1])
        features = agent.encode({name: obs[name] for name in ("vector", "pixels")})
        final.weight.zero_()
        final.bias.copy_(agent.goal_regression.normalize(obs["estimate"][0]))
        expected = agent.inputs(features)
    inputs = agent.inputs_from_estimate(obs | {"estimate": obs["estimate"][:1].expand(100, -1)})
    torch.testing.assert_close(inputs, expected, rtol=1e-4, atol=1e-4)
    assert inputs[:, -3:].abs().min() > 5
