"""Where the gradient goes, proved for every routing on an encoder of pictures.

1. Every parameter belongs to exactly one optimizer.
2. The critic's step moves the critic and, where the routing says so, its encoder. Nothing else.
3. The actor's step moves the actor and, where the routing says so, its encoder. It leaves no trace in the critic, not
   even in its gradients; and none in the encoder unless the routing says so.
4. The targets have memory of their own and move by polyak averaging alone.
5. Saving and loading keep all that.

What is expected of each routing is written down here once more, not read from the table in `agent/routing.py`.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from agent import SAC
from agent.sights import Sights
from replay import Batch
from tests.agent.small import (
    assert_only_these_have_gradients,
    assert_only_these_moved,
    copies,
    gradients,
    owners,
    parameters,
    random_batch,
    same,
    small_agent,
)

# routing -> what the critic's optimizer owns, what the actor's owns
OWNERS = {
    "critic": ({"encoder", "critic"}, {"actor"}),
    "actor": ({"critic"}, {"encoder", "actor"}),
    "both": ({"encoder", "critic"}, {"actor"}),
    "separate": ({"encoder", "critic"}, {"actor_encoder", "actor"}),
    "goal": ({"encoder", "critic"}, {"actor"}),
}
# routing -> what the critic's step moves, what the actor's step moves
MOVES = {
    "critic": ({"encoder", "critic"}, {"actor"}),
    "actor": ({"critic"}, {"encoder", "actor"}),
    "both": ({"encoder", "critic"}, {"encoder", "actor"}),
    "separate": ({"encoder", "critic"}, {"actor_encoder", "actor"}),
    "goal": ({"encoder", "critic"}, {"actor"}),
}
every_routing = pytest.mark.parametrize("routing", list(OWNERS))


def assert_ownership(agent: SAC, routing: str) -> None:
    own, (critics, actors) = parameters(agent), OWNERS[routing]
    expected = {"critic": critics, "actor": actors} | ({"temperature": {"log_alpha"}} if agent.learns_alpha else {})
    held = owners(agent)
    assert held.keys() == expected.keys()
    for name, modules in expected.items():
        assert sorted(held[name]) == sorted(id(one) for module in modules for one in own[module]), name
    everything = [one for several in held.values() for one in several]
    assert len(set(everything)) == len(everything)


def critic_step(agent: SAC, batch: Batch) -> None:
    sights = agent.encode(batch)
    agent.update_critic(batch, sights.critic, agent.target(batch, sights))


def actor_step(agent: SAC, batch: Batch) -> None:
    agent.update_actor(batch, agent.encode(batch))


def all_gradients(agent: SAC, modules: set[str]) -> list[Tensor]:
    return [gradient for name in sorted(modules) for gradient in gradients(getattr(agent, name))]


# ---------------------------------------------------------------------- 1. owners


@every_routing
@pytest.mark.parametrize("alpha", [0.05, "auto"])
@pytest.mark.parametrize("target_encoder", [False, True])
def test_each_parameter_belongs_to_exactly_one_optimizer(routing: str, alpha: Any, target_encoder: bool) -> None:
    agent = small_agent(routing, alpha=alpha, target_encoder=target_encoder)
    assert_ownership(agent, routing)
    targets = [one for name, some in parameters(agent).items() if name.startswith("target") for one in some]
    assert targets and not any(one.requires_grad for one in targets)


# ---------------------------------------------------------------------- 2. the critic's step


@every_routing
def test_the_critic_step_moves_what_the_routing_says(routing: str) -> None:
    agent, batch, moved = small_agent(routing, alpha="auto"), random_batch(), MOVES[routing][0]
    critic_step(agent, batch)
    assert_only_these_have_gradients(agent, moved)

    agent.update(batch)  # now everything has gradients, and Adam its moments
    before, untouched = copies(agent), OWNERS[routing][1]
    gradients_before = all_gradients(agent, untouched)
    critic_step(agent, batch)
    assert_only_these_moved(agent, before, moved)
    assert same(all_gradients(agent, untouched), gradients_before)


# ---------------------------------------------------------------------- 3. the actor's step


@every_routing
def test_the_actor_step_moves_what_the_routing_says(routing: str) -> None:
    agent, batch, moved = small_agent(routing, alpha="auto"), random_batch(), MOVES[routing][1]
    actor_step(agent, batch)
    assert_only_these_have_gradients(agent, moved)

    agent.update(batch)
    before, untouched = copies(agent), {"encoder", "critic"} - moved
    if routing == "both":  # there the actor's step clears what the critic's left, and steps the encoder
        untouched = set()
    gradients_before = all_gradients(agent, untouched)
    actor_step(agent, batch)
    assert_only_these_moved(agent, before, moved)
    assert same(all_gradients(agent, untouched), gradients_before)
    assert all(one.requires_grad for one in agent.critic.parameters())


@pytest.mark.parametrize("routing", ["critic", "separate", "goal"])
def test_an_update_teaches_the_critics_encoder_what_it_would_without_an_actor_step(
    routing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor's features come detached in `update()` itself: its loss adds nothing to the encoder, not one bit."""
    agent, without, batch = small_agent(routing), small_agent(routing), random_batch()
    monkeypatch.setattr(without, "update_actor", lambda batch, sights: ({}, torch.zeros(())))
    for one in (agent, without):
        one.update(batch)
    for name in ("encoder", "critic"):
        assert same(gradients(getattr(agent, name)), gradients(getattr(without, name)))
        assert same(parameters(agent)[name], parameters(without)[name])


def test_the_goal_routing_gives_the_encoder_the_regressions_gradient_alone() -> None:
    agent, batch = small_agent("goal", goal_input="instead"), random_batch()
    estimate = agent.encode(batch).critic.estimate
    assert estimate is not None
    achieved = agent.achieved_normalizer(batch.achieved_goal)
    error = (estimate - achieved).abs()
    huber = torch.where(error < 0.1, error**2 / 0.2, error - 0.05).mean()
    expected = torch.autograd.grad(huber, list(agent.encoder.parameters()), allow_unused=True)
    agent.update(batch)
    for ours, wanted in zip(agent.encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(ours.grad, wanted)


@pytest.mark.parametrize("goal_input", ["beside", "instead"])
def test_actor_and_critic_read_the_estimate_detached(goal_input: str) -> None:
    """The critic's loss alone leaves the goal head without a gradient, though its estimate is an input."""
    agent, batch = small_agent("critic", goal_loss=1.0, goal_input=goal_input, goal_from_estimate=True), random_batch()
    agent.goal_loss = 0.0
    critic_step(agent, batch)
    head: Any = agent.encoder.goal_head
    assert all(one.grad is not None and not one.grad.any() for one in head.parameters())


# ---------------------------------------------------------------------- passes and further updates of the heads


# routing -> of each picture of s, and of s', in an update: is it encoded with gradient?
PASSES = {
    "critic": {"encoder": [True, False]},
    "actor": {"encoder": [True, False]},
    "both": {"encoder": [True, False, True]},  # once more after the critic's step has moved it
    "separate": {"encoder": [True, False], "actor_encoder": [True, False]},
    "goal": {"encoder": [True, False]},
}


@every_routing
def test_each_observation_is_encoded_once_and_the_next_one_without_gradient(routing: str) -> None:
    agent = small_agent(routing)
    seen: dict[str, list[bool]] = {name: [] for name in PASSES[routing]}
    for name, passes in seen.items():
        getattr(agent, name).register_forward_hook(
            lambda encoder, inputs, encoded, passes=passes: passes.append(encoded[0].requires_grad)
        )
    agent.update(random_batch(), random_batch(), random_batch())  # two more updates of the heads encode nothing
    assert seen == PASSES[routing]


@every_routing
def test_further_updates_of_the_heads_leave_the_encoder_alone(routing: str) -> None:
    agent, without, batch = small_agent(routing, alpha="auto"), small_agent(routing, alpha="auto"), random_batch()
    agent.update(batch, random_batch(goals=2), random_batch(goals=3))
    without.update(batch)
    moved = {name for name in parameters(agent) if not same(parameters(agent)[name], parameters(without)[name])}
    assert moved == {"actor", "critic", "target_critic", "log_alpha"}


# ---------------------------------------------------------------------- 4. targets


def storages(tensors: list[Tensor]) -> set[int]:
    return {one.untyped_storage().data_ptr() for one in tensors}


@every_routing
def test_the_targets_have_memory_of_their_own(routing: str) -> None:
    agent = small_agent(routing, target_encoder=True)
    own = parameters(agent)
    for name in ("critic", "encoder"):
        assert same(own[name], own[f"target_{name}"])  # it starts as the online network
    for _ in range(2):
        for name in ("critic", "encoder"):
            for other in own.keys() - {f"target_{name}"}:
                assert storages(own[f"target_{name}"]).isdisjoint(storages(own[other]))
        agent.update(random_batch())


@pytest.mark.parametrize("tau", [0.0, 0.005, 0.3, 1.0])
def test_the_targets_move_by_exactly_tau(tau: float) -> None:
    agent = small_agent(tau=tau, target_encoder=True)
    for seed in range(3):
        then = copies(agent)
        agent.update(random_batch(seed))
        own = parameters(agent)
        for name in ("critic", "encoder"):
            for now, old, online in zip(own[f"target_{name}"], then[f"target_{name}"], own[name], strict=True):
                expected = (1 - tau) * old.double() + tau * online.detach().double()
                torch.testing.assert_close(now.double(), expected, rtol=0, atol=2e-7)
                assert tau > 0 or now.equal(old)
                assert tau < 1 or now.equal(online)


def test_the_target_step_moves_the_targets_alone() -> None:
    agent = small_agent(alpha="auto", target_encoder=True)
    critic_step(agent, random_batch())
    before = copies(agent)
    agent.update_target()
    assert_only_these_moved(agent, before, {"target_critic", "target_encoder"})


def test_the_target_critic_reads_the_target_encoder_and_nothing_else_does() -> None:
    agent, batch = small_agent(target_encoder=True), random_batch()
    before = agent.encode(batch)
    assert agent.target_encoder is not None
    with torch.no_grad():
        for one in agent.target_encoder.parameters():
            one.zero_()
    after = agent.encode(batch)
    changed = {name: not a.features.equal(b.features) for name, a, b in zip(Sights._fields, after, before, strict=True)}
    assert changed == {"critic": False, "next_critic": True, "actor": False, "next_actor": False}


# ---------------------------------------------------------------------- 5. saving


@every_routing
@pytest.mark.parametrize("target_encoder", [False, True])
def test_loading_keeps_the_routing_and_the_loaded_agent_learns_alone(routing: str, target_encoder: bool) -> None:
    options: dict[str, Any] = {"alpha": "auto", "target_encoder": target_encoder}
    agent, other, batch = small_agent(routing, **options), small_agent(routing, seed=1, **options), random_batch()
    agent.update(batch)
    held = owners(other)
    file = io.BytesIO()
    torch.save(agent.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert_ownership(other, routing)
    assert owners(other) == held
    before, of_the_first = copies(other), copies(agent)
    assert all(same(before[name], of_the_first[name]) for name in before)
    other.update(batch)
    assert_only_these_moved(other, before, set(before))
    assert_only_these_moved(agent, of_the_first, set())
