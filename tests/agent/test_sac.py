"""SAC's equations against closed forms and an autograd computation of their own."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution, Uniform

from agent import SAC
from agent.features import encode
from agent.networks import TwinCritic
from agent.routing import ROUTINGS, gradient_norm, scale_learning_rates
from replay import Batch
from replay.batch import Observation
from tests.agent.small import (
    ACTION,
    coming_noise,
    features_of,
    gradients,
    random_batch,
    small_sac,
    state_tensors,
    update,
)

MEAN, LOG_STD = torch.tensor([0.3, -0.8]), torch.tensor([-0.5, 0.2])


def say(critic: TwinCritic, q1: float, q2: float) -> None:
    """Make the twins answer the same to everything."""
    for layers, value in ((critic.q1, q1), (critic.q2, q2)):
        *_, weight, bias = layers.parameters()
        nn.init.zeros_(weight)
        nn.init.constant_(bias, value)


def simple_sac(**options: Any) -> SAC:
    """The target critics say 7 and 4; the policy is the same everywhere."""
    sac = small_sac(**options)
    say(sac.agent.target_critic, 7.0, 4.0)
    nn.init.zeros_(sac.agent.actor.mlp.last.weight)
    with torch.no_grad():
        sac.agent.actor.mlp.last.bias.copy_(torch.cat([MEAN, LOG_STD]))
    return sac


def log_probs_to_come(sac: SAC, rows: int) -> Tensor:
    """log pi of the actions that a simple agent will draw next, by torch.distributions, (rows,) float64."""
    (noise,) = coming_noise(sac, draws=1, rows=rows)
    policy = TransformedDistribution(Normal(MEAN.double(), LOG_STD.double().exp()), [TanhTransform()])
    return policy.log_prob((MEAN.double() + LOG_STD.double().exp() * noise.double()).tanh()).sum(-1)


def targets(sac: SAC, batch: Batch) -> Tensor:
    return sac.target(batch, encode(sac.agent, batch))


# ---------------------------------------------------------------------- the target


def test_truncation_bootstraps_and_termination_does_not() -> None:
    sac, batch = simple_sac(gamma=0.9, alpha=0.2), random_batch()
    assert sorted(set(batch.discount.tolist())) == pytest.approx([0.0, 0.9])  # a truncated row is one of the latter
    soft_value = 4.0 - 0.2 * log_probs_to_come(sac, rows=32)
    y = targets(sac, batch)
    for row in range(32):
        bootstrap = 0.9 * float(soft_value[row]) if batch.discount[row] else 0.0
        assert float(y[row]) == pytest.approx(float(batch.reward[row]) + bootstrap, abs=1e-5)
    assert not y.requires_grad


@pytest.mark.parametrize("alpha", [0.02, 0.3, 1.0, "auto"])
def test_a_q_is_clipped_where_rewards_and_entropy_forever_end_and_nowhere_before(alpha: float | str) -> None:
    """Rewards of -1 and 0 and gamma 0.9: a Q from -10 to 9 alpha H, H the entropy of uniform actions, is left alone."""
    entropy = sum(float(Uniform(-1.0, 1.0).entropy()) for _ in range(ACTION))
    most = 9 * (0.1 if alpha == "auto" else float(alpha)) * entropy
    batch = random_batch()
    for said, heard in ((-100.0, -10.0), (-10.0, -10.0), (-3.0, -3.0), (0.999 * most, 0.999 * most), (100.0, most)):
        clipped, free = (simple_sac(alpha=alpha, gamma=0.9, **more) for more in ({"reward_range": (-1.0, 0.0)}, {}))
        say(clipped.agent.target_critic, said, said)
        say(free.agent.target_critic, heard, heard)
        assert targets(clipped, batch).tolist() == pytest.approx(targets(free, batch).tolist(), rel=1e-5, abs=1e-5)


# ---------------------------------------------------------------------- the gradients


def oracle_sample(actor: nn.Module, features: Tensor, goal: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_std = actor(torch.cat([features, goal], dim=1))
    action = torch.tanh(mean + log_std.exp() * noise)
    policy = TransformedDistribution(Normal(mean, log_std.exp()), [TanhTransform()])
    return action, policy.log_prob(action).sum(-1)


def test_the_gradients_are_those_of_the_written_equations() -> None:
    """critic: mean of ((Q1 - y)^2 + (Q2 - y)^2) / 2; actor: mean of alpha log pi - min(Q1, Q2). In float64."""
    sac, batch = small_sac(alpha=0.1, gamma=0.9), random_batch(rows=64)
    update(sac, random_batch(seed=5))  # so that target and critic differ
    before = copy.deepcopy([sac.agent.encoder, sac.agent.actor, sac.agent.critic, sac.agent.target_critic])
    encoder, actor, critic, target_critic = (module.double() for module in before)
    noise, actor_noise = (drawn.double() for drawn in coming_noise(sac, draws=2, rows=64))
    metrics = update(sac, batch)

    seen = random_batch(seed=99)
    shift, scale = seen.obs["vector"].double().mean(0), seen.obs["vector"].double().std(0, correction=0)
    goal_shift, goal_scale = seen.goal.double().mean(0), seen.goal.double().std(0, correction=0)
    goal = ((batch.goal.double() - goal_shift) / goal_scale).clamp(-5, 5)
    next_goal = ((batch.next_goal.double() - goal_shift) / goal_scale).clamp(-5, 5)

    def features_by_hand(obs: Observation) -> Tensor:
        return encoder(obs | {"vector": ((obs["vector"].double() - shift) / scale).clamp(-5, 5)})

    features = features_by_hand(batch.obs)
    with torch.no_grad():
        next_features = features_by_hand(batch.next_obs)
        next_action, next_log_prob = oracle_sample(actor, next_features, next_goal, noise)
        q1, q2 = target_critic(torch.cat([next_features, next_goal], dim=1), next_action)
        y = batch.reward + batch.discount * (torch.min(q1, q2) - 0.1 * next_log_prob)
    q1, q2 = critic(torch.cat([features, goal], dim=1), batch.action.double())
    critic_loss = (((q1 - y) ** 2 + (q2 - y) ** 2) / 2).sum() / 64
    owned = [*encoder.parameters(), *critic.parameters()]
    expected = torch.autograd.grad(critic_loss, owned)
    for ours, wanted in zip(gradients(sac.agent.encoder) + gradients(sac.agent.critic), expected, strict=True):
        torch.testing.assert_close(ours.double(), wanted, rtol=1e-4, atol=1e-5)
    assert float(metrics["critic_loss"]) == pytest.approx(critic_loss.item(), rel=1e-5)
    assert float(metrics["target_q"]) == pytest.approx(float(y.mean()), rel=1e-5)

    stepped = copy.deepcopy(sac.agent.critic).double()  # the actor's loss reads the critic that was just stepped
    action, log_prob = oracle_sample(actor, features.detach(), goal, actor_noise)
    actor_loss = (0.1 * log_prob - torch.min(*stepped(torch.cat([features.detach(), goal], dim=1), action))).sum() / 64
    expected = torch.autograd.grad(actor_loss, list(actor.parameters()))
    for ours, wanted in zip(gradients(sac.agent.actor), expected, strict=True):
        torch.testing.assert_close(ours.double(), wanted, rtol=1e-4, atol=1e-5)
    assert float(metrics["actor_loss"]) == pytest.approx(actor_loss.item(), rel=1e-5)
    assert float(metrics["entropy"]) == pytest.approx(-log_prob.mean().item(), rel=1e-5)

    norms = {name: math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients(getattr(sac.agent, name))))
             for name in ("encoder", "critic", "actor")}  # fmt: skip
    for name, norm in norms.items():
        assert float(gradient_norm(getattr(sac.agent, name).parameters())) == pytest.approx(norm, rel=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("routing", list(ROUTINGS))
def test_every_update_reports_the_same(routing: str) -> None:
    """A log adds up what updates report: a first one that reports less would break it."""
    sac = small_sac(routing)
    reported = [set(update(sac, random_batch(seed))) for seed in range(3)]
    assert reported == [reported[0]] * 3


# ---------------------------------------------------------------------- the temperature


def test_a_fixed_temperature_never_moves() -> None:
    sac = small_sac(alpha=0.07)
    for seed in range(20):
        metrics = update(sac, random_batch(seed))
    assert sac.log_alpha.equal(torch.tensor(math.log(0.07)))
    assert not sac.log_alpha.requires_grad
    assert "alpha" not in metrics


@pytest.mark.parametrize("entropy", [-3.5, -0.5], ids=["too certain", "too random"])
def test_a_learned_temperature_follows_its_formula(entropy: float) -> None:
    """d J / d log alpha = H - H_target with H_target = -A; Adam's first step has the size of the learning rate."""
    sac = small_sac(alpha="auto", learning_rate=0.01)
    assert sac.log_alpha.item() == pytest.approx(math.log(0.1))
    metrics = sac.update_temperature(torch.tensor(entropy))
    assert sac.log_alpha.grad is not None
    assert float(sac.log_alpha.grad) == pytest.approx(entropy + ACTION)
    step = 0.01 if entropy < -ACTION else -0.01  # Adam's first
    assert sac.log_alpha.item() == pytest.approx(math.log(0.1) + step, abs=1e-6)
    assert float(metrics["alpha"]) == pytest.approx(math.exp(sac.log_alpha.item()))


def test_the_learned_temperature_is_shown_the_policys_entropy() -> None:
    sac, batch = simple_sac(alpha="auto"), random_batch()
    _, actor_noise = coming_noise(sac, draws=2, rows=32)
    policy = TransformedDistribution(Normal(MEAN, LOG_STD.exp()), [TanhTransform()])
    entropy = -policy.log_prob((MEAN + LOG_STD.exp() * actor_noise).tanh()).sum(-1).mean()
    update(sac, batch)
    assert sac.log_alpha.grad is not None
    assert float(sac.log_alpha.grad) == pytest.approx(float(entropy) + ACTION, abs=1e-4)


# ---------------------------------------------------------------------- acting


def test_acting_without_exploration_is_the_tanh_of_the_mean() -> None:
    sac, batch = small_sac(), random_batch()
    state = sac.agent.generator.get_state()
    action = sac.agent.act(batch.obs, batch.goal, deterministic=True).action
    mean, _ = sac.agent.actor(torch.cat([features_of(sac, batch), sac.agent.goal_normalizer(batch.goal)], dim=1))
    assert action.equal(torch.tanh(mean.detach()))
    assert sac.agent.generator.get_state().equal(state)  # evaluating changes nothing in training
    assert not action.requires_grad


def test_acting_with_exploration_draws_from_the_policy_within_the_bounds() -> None:
    sac, batch = simple_sac(), random_batch(rows=20_000)
    (noise,) = coming_noise(sac, draws=1, rows=20_000)
    action = sac.agent.act(batch.obs, batch.goal).action
    torch.testing.assert_close(action, (MEAN + LOG_STD.exp() * noise).tanh())
    assert action.abs().max() <= 1
    before_tanh = torch.atanh(action.double())
    torch.testing.assert_close(before_tanh.mean(0), MEAN.double(), rtol=0, atol=0.03)
    torch.testing.assert_close(before_tanh.std(0), LOG_STD.double().exp(), rtol=0.02, atol=0)


# ---------------------------------------------------------------------- learning rates


@pytest.mark.parametrize("as_tensor", [False, True])
def test_scaled_learning_rates_are_those_of_an_agent_made_with_them(as_tensor: bool) -> None:
    """The second scaling is of what the agent was made with, too. A CUDA graph needs rates that are tensors."""
    scaled, wanted = (small_sac(alpha="auto", learning_rate=r, encoder_learning_rate=r / 10) for r in (8e-3, 2e-3))
    if as_tensor:
        for optimizer in scaled.optimizers.values():
            for group in optimizer.param_groups:
                group["initial_lr"], group["lr"] = group["lr"], torch.tensor(group["lr"], dtype=torch.float64)
    for factor in (0.5, 0.25):
        scale_learning_rates(scaled.optimizers, factor)
    for sac in (scaled, wanted):
        update(sac, random_batch())
    for one, other in zip(state_tensors(scaled), state_tensors(wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
