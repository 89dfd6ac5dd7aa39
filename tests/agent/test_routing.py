"""Where the gradient goes, proved on an encoder that has something to learn.

1. Every parameter belongs to exactly one optimizer: the critic's owns encoder and critic, the actor's the actor.
2. The critic's step moves encoder and critic, and nothing else.
3. The actor's step moves the actor, and leaves no trace in encoder and critic, not even in their gradients.
4. The target critic has memory of its own and moves by polyak averaging alone.
"""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor

from agent import SAC
from replay import Batch
from tests.agent.small import copies, gradients, parameters, random_batch, same, small_agent


def owners(agent: SAC) -> dict[str, list[int]]:
    """Identities of the parameters that each optimizer holds."""
    optimizers = {
        "critic": agent.critic_optimizer,
        "actor": agent.actor_optimizer,
        "temperature": agent.temperature_optimizer,
    }
    return {
        name: [id(one) for group in optimizer.param_groups for one in group["params"]]
        for name, optimizer in optimizers.items()
        if optimizer is not None
    }


def ids(*tensors: list[Tensor]) -> list[int]:
    return [id(one) for several in tensors for one in several]


def assert_ownership(agent: SAC) -> None:
    own = parameters(agent)
    expected = {"critic": ids(own["encoder"], own["critic"]), "actor": ids(own["actor"])}
    if agent.learns_alpha:
        expected["temperature"] = ids(own["log_alpha"])
    held = owners(agent)
    assert {name: sorted(several) for name, several in held.items()} == {
        name: sorted(several) for name, several in expected.items()
    }
    everything = [one for several in held.values() for one in several]
    assert len(set(everything)) == len(everything)


def assert_only_these_moved(agent: SAC, before: dict[str, list[Tensor]], moved: set[str]) -> None:
    """Each tensor of the modules in `moved` has changed, and no bit of any other."""
    for name, tensors in parameters(agent).items():
        if name in moved:
            assert not any(now.equal(then) for now, then in zip(tensors, before[name], strict=True)), name
        else:
            assert same(tensors, before[name]), name


def critic_step(agent: SAC, batch: Batch) -> None:
    features = agent.encoder(agent.vector_normalizer(batch.vector))
    next_features = agent.encoder(agent.vector_normalizer(batch.next_vector)).detach()
    target = agent.target(batch, next_features, agent.goal_normalizer(batch.next_goal))
    agent.update_critic(batch, features, agent.goal_normalizer(batch.goal), target)


def actor_step(agent: SAC, batch: Batch) -> None:
    features = agent.encoder(agent.vector_normalizer(batch.vector)).detach()
    agent.update_actor(features, agent.goal_normalizer(batch.goal))


@pytest.mark.parametrize("alpha", [0.05, "auto"])
def test_each_parameter_belongs_to_exactly_one_optimizer(alpha: float | str) -> None:
    agent = small_agent(alpha=alpha)
    assert_ownership(agent)
    assert not any(one.requires_grad for one in agent.target_critic.parameters())


def test_the_critic_step_moves_encoder_and_critic_alone() -> None:
    agent, batch = small_agent(alpha="auto"), random_batch()
    critic_step(agent, batch)
    assert all(one.grad is None for one in [*agent.actor.parameters(), agent.log_alpha])

    agent.update(batch)  # now everything has gradients, and Adam its moments
    before, actor_gradients = copies(agent), gradients(agent.actor)
    critic_step(agent, batch)
    assert_only_these_moved(agent, before, {"encoder", "critic"})
    assert same(gradients(agent.actor), actor_gradients)
    assert all(one.grad is None for one in agent.target_critic.parameters())


def test_the_actor_step_moves_the_actor_alone_and_leaves_no_gradient_elsewhere() -> None:
    agent, batch = small_agent(alpha="auto"), random_batch()
    actor_step(agent, batch)
    assert all(one.grad is None for one in [*agent.encoder.parameters(), *agent.critic.parameters(), agent.log_alpha])

    agent.update(batch)
    before = copies(agent)
    encoder_gradients, critic_gradients = gradients(agent.encoder), gradients(agent.critic)
    actor_step(agent, batch)
    assert_only_these_moved(agent, before, {"actor"})
    assert same(gradients(agent.encoder), encoder_gradients)
    assert same(gradients(agent.critic), critic_gradients)
    assert all(one.requires_grad for one in agent.critic.parameters())


def test_a_whole_update_teaches_encoder_and_critic_what_it_would_without_an_actor_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The actor's features come detached in `update()` itself: its loss adds nothing to the encoder, not one bit."""
    agent, without, batch = small_agent(), small_agent(), random_batch()
    monkeypatch.setattr(without, "update_actor", lambda features, goal: ({}, torch.zeros(())))
    for one in (agent, without):
        one.update(batch)
    for name in ("encoder", "critic"):
        assert same(gradients(getattr(agent, name)), gradients(getattr(without, name)))
        assert same(parameters(agent)[name], parameters(without)[name])


def test_both_observations_are_encoded_once_and_the_next_one_without_gradient() -> None:
    agent, with_gradient = small_agent(), []
    agent.encoder.register_forward_hook(lambda encoder, inputs, features: with_gradient.append(features.requires_grad))
    agent.update(random_batch())
    assert with_gradient == [True, False]


def test_the_target_has_memory_of_its_own() -> None:
    def storages(module: torch.nn.Module) -> set[int]:
        return {one.untyped_storage().data_ptr() for one in module.parameters()}

    agent = small_agent()
    assert same(parameters(agent)["critic"], parameters(agent)["target_critic"])  # it starts as the critic
    for _ in range(2):
        for module in (agent.critic, agent.actor, agent.encoder):
            assert storages(agent.target_critic).isdisjoint(storages(module))
        agent.update(random_batch())


@pytest.mark.parametrize("tau", [0.0, 0.005, 0.3, 1.0])
def test_the_target_moves_by_exactly_tau(tau: float) -> None:
    agent = small_agent(tau=tau)
    for seed in range(3):
        then = copies(agent)["target_critic"]
        agent.update(random_batch(seed))
        for now, old, online in zip(agent.target_critic.parameters(), then, agent.critic.parameters(), strict=True):
            expected = (1 - tau) * old.double() + tau * online.detach().double()
            torch.testing.assert_close(now.double(), expected, rtol=0, atol=2e-7)
            assert tau > 0 or now.equal(old)
            assert tau < 1 or now.equal(online)


def test_the_target_step_moves_the_target_alone() -> None:
    agent = small_agent(alpha="auto")
    critic_step(agent, random_batch())
    before = copies(agent)
    agent.update_target()
    assert_only_these_moved(agent, before, {"target_critic"})


def test_loading_keeps_ownership_and_the_loaded_agent_learns_alone() -> None:
    agent, other, batch = small_agent(alpha="auto"), small_agent(alpha="auto", seed=1), random_batch()
    agent.update(batch)
    held = owners(other)
    file = io.BytesIO()
    torch.save(agent.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert_ownership(other)
    assert owners(other) == held
    before, of_the_first = copies(other), copy.deepcopy(copies(agent))
    other.update(batch)
    assert_only_these_moved(other, before, set(before))
    assert_only_these_moved(agent, of_the_first, set())
