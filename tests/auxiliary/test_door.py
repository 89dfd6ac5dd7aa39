"""A made-up auxiliary loss: that it needs nothing but the door, and that the door leads where it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent import Agent, saving
from agent.routing import encoder_parameters
from auxiliary import Auxiliary
from replay import Batch, Future
from tests.agent.small import ACTION, VECTOR, owners, random_batch, small_sac
from tests.training.runs import tiny_config
from training.model import make_agent
from training.trainer import Trainer

HORIZON = 2


class NextActions(Auxiliary):
    """Predicts the actions that follow, of those that belong to the episode."""

    horizon = HORIZON

    def __init__(self, feature_size: int, action_size: int = ACTION) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.linear = nn.Linear(feature_size, HORIZON * action_size)

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert batch.future is not None
        error = self.linear(features).unflatten(1, (HORIZON, -1)) - batch.future.action
        loss = error.square().mean(-1)[batch.future.mask].mean()
        return loss, {"next_actions_loss": loss.detach()}


def batch_with_future(seed: int = 0) -> Batch:
    batch = random_batch(seed)
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(32, HORIZON, ACTION, generator=generator)
    obs = {name: torch.stack([part] * HORIZON, 1) for name, part in batch.next_obs.items()}
    return replace(batch, future=Future(obs, action, torch.tensor([[True, True], [True, False]] * 16)))


@pytest.mark.parametrize("routing", ["critic", "goal"])
def test_its_gradient_reaches_encoder_and_itself_and_it_is_saved_with_the_agent(routing: str) -> None:
    """With `goal` no other loss but the goal regression, whose weight is 0 here, reaches the encoder."""
    made_up = NextActions(50 + VECTOR)
    sac = small_sac(routing, goal_loss=0.0, auxiliaries={"made_up": made_up})
    assert set(map(id, made_up.parameters())) <= set(owners(sac)["critic"])
    assert not set(map(id, made_up.parameters())) & set(owners(sac)["actor"])
    batch, before = batch_with_future(), [one.detach().clone() for one in encoder_parameters(sac.agent)]
    assert batch.future is not None
    predicted = made_up.linear(sac.agent.encode(batch.obs)).view(32, HORIZON, ACTION).detach()
    expected = F.mse_loss(predicted[batch.future.mask], batch.future.action[batch.future.mask])
    metrics, _ = sac.update(batch)
    torch.testing.assert_close(metrics["next_actions_loss"], expected)
    assert not any(one.equal(then) for one, then in zip(encoder_parameters(sac.agent), before, strict=True))
    for _ in range(60):
        metrics, _ = sac.update(batch)
    assert metrics["next_actions_loss"] < 0.5 * expected  # it learns

    saved = saving.state_dict(sac)["agent"]
    assert saved["auxiliaries.made_up.linear.weight"].equal(made_up.linear.weight)
    assert not any("made_up" in name for name in sac.agent.policy_state())  # acting does not need it


@pytest.mark.parametrize("flags", ["", "--obs pixels-only --updates-per-encoding 2 --buffer-size 400"])
def test_a_run_samples_what_it_reads_and_trains_it_from_state_too(flags: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There nothing is learned by an encoder, but the loss has parameters of its own. Further updates leave it out."""
    made: list[NextActions] = []

    def with_made_up(*arguments: Any) -> Agent:
        agent = make_agent(*arguments)
        made.append(NextActions(agent.encoder.feature_size, agent.config.action_size))
        agent.auxiliaries["made_up"] = made[0]
        return agent

    monkeypatch.setattr("training.evaluator.make_agent", with_made_up)
    config = tiny_config("--env-id", "FetchReach-v4", *flags.split())
    with Trainer(config) as trainer:
        trainer.start()
        for _ in range(12):
            trainer.collector.begin_step(explore_only=True)
            trainer.collector.end_step()
        before = made[0].linear.weight.detach().clone()
        computed: list[Tensor] = []
        made[0].linear.register_forward_hook(lambda _, __, predicted: computed.append(predicted))
        for batches in trainer.updates.batches(3):
            metrics = trainer.updates.update(batches)
            assert torch.isfinite(metrics["next_actions_loss"])
        assert len(computed) == 3 and not made[0].linear.weight.equal(before)


def test_where_the_actor_alone_trains_the_encoder_it_is_refused() -> None:
    with pytest.raises(ValueError, match="auxiliary losses go through the critic's optimizer"):
        small_sac("actor", auxiliaries={"made_up": NextActions(50 + VECTOR)})
