"""Where the gradient goes, proved for every routing on an encoder of images.

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

from agent import SAC, saving
from agent.features import Features, encode
from agent.routing import encoder_parameters
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
    same_tensor,
    small_sac,
    update,
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
every_pooling = pytest.mark.parametrize("pooling", ["flat", "spatial-softmax"])


def assert_ownership(sac: SAC, routing: str) -> None:
    own, (critics, actors) = parameters(sac), OWNERS[routing]
    expected = {"critic": critics, "actor": actors} | (
        {"temperature": {"log_alpha"}} if sac.log_alpha.requires_grad else {}
    )
    held = owners(sac)
    assert held.keys() == expected.keys()
    for name, modules in expected.items():
        assert sorted(held[name]) == sorted(id(one) for module in modules for one in own[module]), name
    everything = [one for several in held.values() for one in several]
    assert len(set(everything)) == len(everything)


def critic_step(sac: SAC, batch: Batch) -> None:
    features = encode(sac.agent, batch)
    state = sac.agent.state(features.critic, batch.goal)
    sac.update_critic(batch, state, features)


def actor_step(sac: SAC, batch: Batch) -> None:
    features = encode(sac.agent, batch)
    sac.update_actor(batch, sac.agent.state(features.critic, batch.goal), features)


def all_gradients(sac: SAC, modules: set[str]) -> list[Tensor]:
    return [gradient for name in sorted(modules) for gradient in gradients(getattr(sac.agent, name))]


# ---------------------------------------------------------------------- 1. owners


@every_routing
@every_pooling
@pytest.mark.parametrize("alpha", [0.05, "auto"])
@pytest.mark.parametrize("target_encoder", [False, True])
def test_each_parameter_belongs_to_exactly_one_optimizer(
    routing: str, pooling: str, alpha: Any, target_encoder: bool
) -> None:
    sac = small_sac(routing, pooling=pooling, alpha=alpha, target_encoder=target_encoder)
    temperatures = [name for name, _ in sac.agent.encoder.named_parameters() if "temperature" in name]
    assert temperatures == (["pooling.log_temperature"] if pooling == "spatial-softmax" else [])
    assert_ownership(sac, routing)
    targets = [one for name, some in parameters(sac).items() if name.startswith("target") for one in some]
    assert targets and not any(one.requires_grad for one in targets)


# ---------------------------------------------------------------------- 2. the critic's step


@every_routing
@every_pooling
def test_the_critic_step_moves_what_the_routing_says(routing: str, pooling: str) -> None:
    sac, batch, moved = small_sac(routing, pooling=pooling, alpha="auto"), random_batch(), MOVES[routing][0]
    critic_step(sac, batch)
    assert_only_these_have_gradients(sac, moved)

    update(sac, batch)  # now everything has gradients, and Adam its moments
    before, untouched = copies(sac), OWNERS[routing][1]
    gradients_before = all_gradients(sac, untouched)
    critic_step(sac, batch)
    assert_only_these_moved(sac, before, moved)
    assert same(all_gradients(sac, untouched), gradients_before)


# ---------------------------------------------------------------------- 3. the actor's step


@every_routing
@every_pooling
def test_the_actor_step_moves_what_the_routing_says(routing: str, pooling: str) -> None:
    sac, batch, moved = small_sac(routing, pooling=pooling, alpha="auto"), random_batch(), MOVES[routing][1]
    actor_step(sac, batch)
    assert_only_these_have_gradients(sac, moved)

    update(sac, batch)
    before, untouched = copies(sac), {"encoder", "critic"} - moved
    if routing == "both":  # there the actor's step clears what the critic's left, and steps the encoder
        untouched = set()
    gradients_before = all_gradients(sac, untouched)
    actor_step(sac, batch)
    assert_only_these_moved(sac, before, moved)
    assert same(all_gradients(sac, untouched), gradients_before)
    assert all(one.requires_grad for one in sac.agent.critic.parameters())


@pytest.mark.parametrize("routing", ["critic", "separate", "goal"])
def test_an_update_teaches_the_critics_encoder_what_it_would_without_an_actor_step(
    routing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The actor's features come detached in `update()` itself: its loss adds nothing to the encoder, not one bit."""
    sac, without, batch = small_sac(routing), small_sac(routing), random_batch()
    monkeypatch.setattr(without, "update_actor", lambda *_: {"entropy": torch.zeros(())})
    for one in (sac, without):
        update(one, batch)
    for name in ("encoder", "critic"):
        assert same(gradients(getattr(sac.agent, name)), gradients(getattr(without.agent, name)))
        assert same(parameters(sac)[name], parameters(without)[name])


def test_the_goal_routing_gives_the_encoder_the_regressions_gradient_alone() -> None:
    sac, batch = small_sac("goal", goal_input="replace"), random_batch()
    regression: Any = sac.agent.goal_regression
    estimate, achieved = regression(sac.agent.encode(batch.obs)), regression.normalizer(batch.achieved_goal)
    error = (estimate - achieved).abs()
    huber = torch.where(error < 0.1, error**2 / 0.2, error - 0.05).mean()
    expected = torch.autograd.grad(huber, encoder_parameters(sac.agent))
    update(sac, batch)
    for ours, wanted in zip(encoder_parameters(sac.agent), expected, strict=True):
        torch.testing.assert_close(ours.grad, wanted)


@pytest.mark.parametrize("goal_input", ["concat", "replace"])
def test_actor_and_critic_read_the_estimate_detached(goal_input: str) -> None:
    """The critic's loss alone leaves the regression without a gradient, though its estimate is an input."""
    sac, batch = small_sac("critic", goal_loss=1.0, goal_input=goal_input, goal_from_estimate=True), random_batch()
    sac.agent.auxiliary_losses = lambda *_: iter(())  # type: ignore[method-assign]
    critic_step(sac, batch)
    regression: Any = sac.agent.goal_regression
    assert all(one.grad is None for one in regression.parameters())


# ---------------------------------------------------------------------- passes and further updates of the heads


# routing -> of each image of s, and of s', in an update: is it encoded with gradient?
PASSES = {
    "critic": {"encoder": [True, False]},
    "actor": {"encoder": [True, False]},
    "both": {"encoder": [True, False, True]},  # once more after the critic's step has moved it
    "separate": {"encoder": [True, False], "actor_encoder": [True, False]},
    "goal": {"encoder": [True, False]},
}


@every_routing
def test_each_observation_is_encoded_once_and_the_next_one_without_gradient(routing: str) -> None:
    sac = small_sac(routing)
    seen: dict[str, list[bool]] = {name: [] for name in PASSES[routing]}
    for name, passes in seen.items():
        getattr(sac.agent, name).register_forward_hook(
            lambda encoder, inputs, encoded, passes=passes: passes.append(encoded.requires_grad)
        )
    update(sac, random_batch(), random_batch(), random_batch())  # two more updates of the heads encode nothing
    assert seen == PASSES[routing]


@every_routing
def test_further_updates_of_the_heads_leave_the_encoder_alone(routing: str) -> None:
    sac, without, batch = small_sac(routing, alpha="auto"), small_sac(routing, alpha="auto"), random_batch()
    update(sac, batch, random_batch(goals=2), random_batch(goals=3))
    update(without, batch)
    moved = {name for name in parameters(sac) if not same(parameters(sac)[name], parameters(without)[name])}
    assert moved == {"actor", "critic", "target_critic", "log_alpha"}


# ---------------------------------------------------------------------- 4. targets


def storages(tensors: list[Tensor]) -> set[int]:
    return {one.untyped_storage().data_ptr() for one in tensors}


@every_routing
def test_the_targets_have_memory_of_their_own(routing: str) -> None:
    sac = small_sac(routing, target_encoder=True)
    own = parameters(sac)
    for name in ("critic", "encoder"):
        online = list(getattr(sac.agent, name).parameters())
        assert same(online, own[f"target_{name}"])  # it starts as the online network
    for _ in range(2):
        for name in ("critic", "encoder"):
            for other in own.keys() - {f"target_{name}"}:
                assert storages(own[f"target_{name}"]).isdisjoint(storages(own[other]))
        update(sac, random_batch())


@pytest.mark.parametrize("tau", [0.0, 0.005, 0.3, 1.0])
def test_the_targets_move_by_exactly_tau(tau: float) -> None:
    sac = small_sac(tau=tau, target_encoder=True)
    for seed in range(3):
        then = copies(sac)
        update(sac, random_batch(seed))
        own = parameters(sac)
        for name in ("critic", "encoder"):
            for now, old, online in zip(own[f"target_{name}"], then[f"target_{name}"], own[name], strict=True):
                expected = (1 - tau) * old.double() + tau * online.detach().double()
                torch.testing.assert_close(now.double(), expected, rtol=0, atol=2e-7)
                assert tau > 0 or now.equal(old)
                assert tau < 1 or now.equal(online)


def test_the_target_step_moves_the_targets_alone() -> None:
    sac = small_sac(alpha="auto", target_encoder=True)
    critic_step(sac, random_batch())
    before = copies(sac)
    sac.update_target()
    assert_only_these_moved(sac, before, {"target_critic", "target_encoder"})


def test_the_target_critic_reads_the_target_encoder_and_nothing_else_does() -> None:
    sac, batch = small_sac(target_encoder=True), random_batch()
    before = encode(sac.agent, batch)
    assert sac.agent.target_encoder is not None
    with torch.no_grad():
        for one in sac.agent.target_encoder.parameters():
            one.zero_()
    after = encode(sac.agent, batch)
    changed = {name for name, a, b in zip(Features._fields, after, before, strict=True) if not same_tensor(a, b)}
    assert changed == {"next_critic"}


# ---------------------------------------------------------------------- 5. saving


@every_routing
@pytest.mark.parametrize("target_encoder", [False, True])
def test_loading_keeps_the_routing_and_the_loaded_agent_learns_alone(routing: str, target_encoder: bool) -> None:
    options: dict[str, Any] = {"alpha": "auto", "target_encoder": target_encoder}
    sac, other, batch = small_sac(routing, **options), small_sac(routing, seed=1, **options), random_batch()
    update(sac, batch)
    held = owners(other)
    file = io.BytesIO()
    torch.save(saving.state_dict(sac), file)
    file.seek(0)
    saving.load_state_dict(other, torch.load(file, weights_only=True))
    assert_ownership(other, routing)
    assert owners(other) == held
    before, of_the_first = copies(other), copies(sac)
    assert all(same(before[name], of_the_first[name]) for name in before)
    update(other, batch)
    assert_only_these_moved(other, before, set(before))
    assert_only_these_moved(sac, of_the_first, set())
