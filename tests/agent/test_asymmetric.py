"""A critic that reads the whole state while the actor sees (Pinto et al. 2017)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agent import SAC
from replay import Batch
from tests.agent.small import (
    GOAL,
    assert_only_these_moved,
    coming_noise,
    copies,
    gradients,
    random_batch,
    small_sac,
    update,
)
from tests.training.runs import differences, metrics, tiny
from tests.training.test_layouts import action_of, changed, config_of
from training import checkpoint
from training.trainer import Trainer

STATE = 7  # numbers, the last GOAL of which are the achieved goal


def asymmetric(**options: Any) -> SAC:
    sac = small_sac("asymmetric", state_size=STATE, goal_from_state=True, **options)
    seen = batch_of(99)
    sac.agent.update_normalizers(seen.obs["vector"], seen.goal, seen.achieved_goal, seen.obs["state"])
    return sac


def batch_of(seed: int = 0) -> Batch:
    batch, generator = random_batch(seed), torch.Generator().manual_seed(seed)
    state, following = (torch.randn(len(batch.reward), STATE, generator=generator) for _ in range(2))
    return replace(batch, obs=batch.obs | {"state": state}, next_obs=batch.next_obs | {"state": following})


def by_hand(sac: SAC, state: Tensor, goal: Tensor) -> Tensor:
    """What the critic reads: the state, and the goal less the achieved goal, by mean and deviation of batch 99."""
    seen = batch_of(99)
    pairs = (state, seen.obs["state"]), (goal - state[:, -GOAL:], seen.goal - seen.obs["state"][:, -GOAL:])
    parts = [(one - some.mean(0)) / some.std(0, correction=0) for one, some in pairs]
    return torch.cat([part.clamp(-5, 5) for part in parts], dim=1)


def test_the_critic_reads_the_state_and_the_goal_from_where_the_object_is() -> None:
    sac, batch = asymmetric(), batch_of()
    read: list[Tensor] = []
    for critic in (sac.agent.critic, sac.agent.target_critic):
        critic.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].detach()))
    update(sac, batch)
    target, online, in_actors_loss = read
    torch.testing.assert_close(target, by_hand(sac, batch.next_obs["state"], batch.next_goal), rtol=1e-3, atol=1e-3)
    expected = by_hand(sac, batch.obs["state"], batch.goal)
    for found in (online, in_actors_loss):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("goal_loss", [0.0, 1.0])
def test_the_actors_loss_trains_the_encoder_by_the_critic_of_the_state(goal_loss: float) -> None:
    """Its gradient by hand: E[alpha log pi(a | images) - min Q(state, a)]; the goal regression has been before it."""
    sac, batch = asymmetric(goal_loss=goal_loss), batch_of()
    sac.update_critic = lambda *_: {}  # type: ignore[method-assign]
    noise = coming_noise(sac, 1, len(batch.reward))[0]
    agent = sac.agent
    encoded = agent.encode(batch.obs)
    action, log_prob = agent.actor.sample(agent.state(encoded, batch.goal), noise)
    q = torch.minimum(*agent.critic(by_hand(sac, batch.obs["state"], batch.goal), action))
    loss = (sac.log_alpha.exp() * log_prob - q).mean()
    expected = torch.autograd.grad(loss, list(agent.encoder.parameters()))
    update(sac, batch)
    for found, wanted in zip(gradients(agent.encoder), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(("goal_loss", "moved"), [(0.0, {"critic"}), (1.0, {"critic", "encoder"})])
def test_the_critics_step_moves_the_encoder_only_by_the_goal_regression(goal_loss: float, moved: set[str]) -> None:
    sac, batch = asymmetric(goal_loss=goal_loss), batch_of()
    sac.update_actor = lambda *_: {"entropy": torch.zeros(())}  # type: ignore[method-assign]
    before = copies(sac)
    update(sac, batch)
    assert_only_these_moved(sac, before, moved | {"target_critic"})


def test_both_steps_go_together_and_the_actors_leaves_no_trace_in_the_critic() -> None:
    sac, without, batch = asymmetric(goal_loss=1.0), asymmetric(goal_loss=1.0), batch_of()
    without.update_actor = lambda *_: {"entropy": torch.zeros(())}  # type: ignore[method-assign]
    before = copies(sac)
    for one in (sac, without):
        update(one, batch)
    assert_only_these_moved(sac, before, {"actor", "critic", "encoder", "target_critic"})
    for mine, other in zip(sac.agent.critic.parameters(), without.agent.critic.parameters(), strict=True):
        assert mine.equal(other)


def test_with_the_actor_on_the_state_too_it_is_the_same_as_without(tmp_path: Path) -> None:
    """Bit for bit. Only the norm of the critic's gradient is not logged: the actor's step clears it."""
    for folder, flags in (("plain", []), ("asymmetric", ["--critic-obs", "state"])):
        assert tiny(tmp_path / folder, "--total-steps", "240", *flags) == 0
    ours, plain = (
        [row | {"critic_grad_norm": ""} for row in metrics(tmp_path / name)] for name in ("asymmetric", "plain")
    )
    assert ours == plain
    policies = (checkpoint.load(tmp_path / name / "model.pt", "cpu")["policy"] for name in ("asymmetric", "plain"))
    assert differences(*policies) == []


def test_what_is_hidden_changes_no_action_and_is_in_no_policy_file() -> None:
    config = config_of("FetchPush-v4", "honest", critic_obs="state", routing="actor", goal_input="concat",
                       goal_motion=False)  # fmt: skip
    with Trainer(config) as trainer:
        trainer.start()
        for _ in range(4):
            trainer.collector.begin_step(explore_only=False)
            trainer.collector.end_step()
        (batches,) = trainer.updates.batches(1)
        trainer.updates.update(batches)
        assert batches[0].obs["state"].shape[1] == 28 and trainer.agent.privileged is not None
        assert trainer.agent.privileged.normalizer.count == 10  # of two environments, as each observation was shown
        obs, _ = trainer.train_envs.reset(seed=1)
        obs = {key: value.copy() for key, value in obs.items()}
        hidden = changed(changed(obs, "observation", slice(3, 9)), "achieved_goal")
        action = action_of(trainer, obs)
        assert np.array_equal(action_of(trainer, hidden), action)
        assert not np.array_equal(action_of(trainer, changed(obs, "pixels")), action)
        names = {name.split(".")[0] for name in trainer.agent.policy_state()}
        assert names == {"encoder", "actor", "auxiliaries", "vector_normalizer", "goal_normalizer"}
