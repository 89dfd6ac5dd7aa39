"""The faster dtype: where it is, where it is not, and how little it changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agent import SAC, Agent, saving
from agent.accelerate import CHUNK, BareAdam, use_bfloat16
from agent.features import encode
from agent.networks import MLP
from encoders import PixelEncoder
from encoders.pooling import FlatTrunk
from replay import Batch
from tests.agent.small import features_of, random_batch, same, small_sac, state_tensors, update
from training import evaluator as evaluators
from training.config.flags import Config


def networks(agent: Agent) -> list[MLP]:
    parts = (agent.actor, agent.critic, agent.target_critic)
    return [module for part in parts for module in part.modules() if isinstance(module, MLP)]


def dtypes_of(sac: SAC, batch: Batch) -> tuple[dict[str, set[torch.dtype]], dict[str, Tensor]]:
    """What the linear layers of each part compute in during an update, and what that returns."""
    seen: dict[str, set[torch.dtype]] = {"first": set(), "middle": set(), "last": set()}

    def watch(where: str) -> Any:
        return lambda module, inputs, output: seen[where].add(output.dtype)

    assert len(networks(sac.agent)) == 5
    for mlp in networks(sac.agent):
        for where in seen:
            for layer in mlp.get_submodule(where).modules():
                if isinstance(layer, nn.Linear):
                    layer.register_forward_hook(watch(where))
    return seen, update(sac, batch)


def test_middle_layers_compute_in_bfloat16_and_nothing_else_does() -> None:
    sac = small_sac(alpha="auto")
    use_bfloat16(sac.agent)
    seen, metrics = dtypes_of(sac, random_batch())
    assert seen == {"first": {torch.float32}, "middle": {torch.bfloat16}, "last": {torch.float32}}
    gradients = [p.grad for mlp in networks(sac.agent) for p in mlp.parameters() if p.grad is not None]
    kept: list[Tensor] = [*metrics.values(), *gradients, *state_tensors(sac)]
    assert torch.bfloat16 not in {tensor.dtype for tensor in kept}


@pytest.mark.parametrize(("mode", "able", "used"), [("auto", True, True), ("auto", False, False), ("off", True, False)])
def test_auto_means_bfloat16_where_the_device_has_it(
    mode: Any, able: bool, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluators.accelerate, "has_bfloat16", lambda device: able)
    evaluator = evaluators.Evaluator(Config(env_id="FetchReach-v4", accelerate=mode, device="cpu"), workers=0)
    assert {mlp.in_bfloat16 for mlp in networks(evaluator.agent)} == {used}
    evaluator.close()


@pytest.mark.parametrize(("mode", "used"), [("auto", True), ("off", False)])
def test_auto_reaches_the_encoder_too(mode: Any, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluators.accelerate, "has_bfloat16", lambda device: True)
    small: dict[str, Any] = {"env_id": "FetchReach-v4", "obs": "pixels-only", "device": "cpu", "pooling": "flat"}
    evaluator = evaluators.Evaluator(Config(accelerate=mode, **small), workers=0)
    encoder = evaluator.agent.encoder
    assert isinstance(encoder, PixelEncoder) and isinstance(encoder.pooling, FlatTrunk)
    assert (encoder.convolutions.in_bfloat16, encoder.pooling.in_bfloat16) == (used, used)
    assert encoder.chunk == CHUNK
    pixels = torch.randint(256, (2, 84, 84, 3), dtype=torch.uint8)
    seen: set[torch.dtype] = set()
    for layer in encoder.convolutions.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    assert encoder({"vector": torch.zeros(2, evaluator.vector_size), "pixels": pixels}).dtype == torch.float32
    assert seen == {torch.bfloat16 if used else torch.float32}
    evaluator.close()


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("seed", [0])
def test_q_stays_near_that_of_float32(layer_norm: bool, seed: int) -> None:
    """Within 2e-2 after 100 updates, of the largest |Q| of a batch, which is about 6."""
    exact = small_sac(width=64, layer_norm=layer_norm, gamma=0.9, reward_range=(-1.0, 0.0), seed=seed, tau=0.1)
    rounded = copy.deepcopy(exact)
    rounded.agent.generator.set_state(exact.agent.generator.get_state())
    use_bfloat16(rounded.agent)

    def batch(number: int) -> Batch:
        drawn = random_batch(number, rows=16)
        drawn.reward.fill_(-1.0)
        drawn.discount.fill_(0.9)
        return drawn

    for number in range(100):
        for sac in (exact, rounded):
            update(sac, batch(number))
    fresh = batch(1000)

    def q(sac: SAC) -> Tensor:
        with torch.no_grad():
            features = features_of(sac, fresh)
            return torch.stack(sac.agent.critic(sac.agent.state(features, fresh.goal), fresh.action))

    difference = (q(rounded) - q(exact)).abs().max() / q(exact).abs().max()
    assert 0 < difference < 2e-2


def test_a_copy_computes_with_its_own_weights() -> None:
    sac = small_sac()
    use_bfloat16(sac.agent)
    other = copy.deepcopy(sac.agent.critic.q1)
    inputs = torch.randn(4, next(other.parameters()).shape[1])
    nn.init.zeros_(other.middle[0].weight)  # type: ignore[arg-type]
    assert not other(inputs).equal(sac.agent.critic.q1(inputs))


@pytest.mark.parametrize("routing", ["critic", "both"])
def test_bare_steps_are_torchs_to_the_last_bit(routing: str) -> None:
    """Also where an encoder, or its regression, has no gradient, has one later than the rest, and after loading."""
    torchs, bare = (
        small_sac(routing, alpha="auto", goal_loss=1.0, encoder_learning_rate=3e-4, adam=adam)
        for adam in (torch.optim.Adam, BareAdam)
    )
    for number in range(8):
        for sac in (torchs, bare):
            batch, other = random_batch(number), random_batch(100 + number)
            if number:
                update(sac, batch, other)
            else:  # nothing reaches the encoder
                sac.update_from(encode(sac.agent, batch).detach(), batch)
        assert same(state_tensors(torchs), state_tensors(bare))
        if number == 4:
            states = [copy.deepcopy(saving.state_dict(sac)) for sac in (torchs, bare)]
            for sac, state in zip((bare, torchs), states, strict=True):
                saving.load_state_dict(sac, state)
    assert not same(state_tensors(bare), state_tensors(small_sac(routing, alpha="auto", goal_loss=1.0)))


def test_what_comes_before_a_bare_step_sees_and_may_change_the_gradients() -> None:
    sac = small_sac(adam=BareAdam)
    before = [one.detach().clone() for one in sac.agent.actor.parameters()]

    def average(*_: Any) -> None:  # as ranks do
        for one in sac.agent.actor.parameters():
            assert one.grad is not None and one.grad.any()
            one.grad.zero_()

    sac.optimizers["actor"].register_step_pre_hook(average)
    update(sac, random_batch())
    assert same(list(sac.agent.actor.parameters()), before)
    assert all(one.grad is not None for one in sac.agent.actor.parameters())
    sac.optimizers["actor"].zero_grad()
    assert all(one.grad is None for one in sac.agent.actor.parameters())
