"""CURL, SPR and the autoencoder, each against a case that is worked out by hand, and their places in the agent."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agent.routing import encoder_parameters
from auxiliary import AUXILIARIES, SPR, Auxiliary, Sizes, autoencoder, curl
from auxiliary.autoencoder import Autoencoder, target
from auxiliary.curl import Curl
from encoders import Encoder, PixelEncoder
from encoders.convolutions import FAMILIES
from replay import Future
from replay.augment import RandomShift
from replay.batch import Observation
from tests.agent.small import ACTION, SIDE, VECTOR, gradients, owners, random_batch, small_encoder, small_sac
from tests.training.runs import differences, metrics, run, saved_state, tiny, tiny_config
from training.diagnosis import encoder_gradients

SIZES = Sizes(50, ACTION, (SIDE, SIDE, 3))
K = 3


def made(name: str, weight: float = 1.0) -> Auxiliary:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        one = AUXILIARIES[name](small_encoder(), SIZES, weight)
    one.generator = torch.Generator().manual_seed(0)
    return one


def future_of(rows: int, ends: Tensor, seed: int = 1) -> Future:
    """K observations and actions for each row, whose episode ends after `ends` (rows,) of them."""
    generator = torch.Generator().manual_seed(seed)
    obs = {
        "vector": torch.randn(rows, K, VECTOR, generator=generator),
        "pixels": torch.randint(256, (rows, K, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator),
    }
    return Future(obs, torch.rand(rows, K, ACTION, generator=generator) * 2 - 1, torch.arange(K) < ends[:, None])


def batch_with_future(rows: int = 32) -> Any:
    batch = random_batch(rows=rows)
    ends = torch.arange(rows) % K + 1
    return replace(batch, future=future_of(rows, ends))


# ---------------------------------------------------------------------- CURL


@pytest.mark.parametrize("scale", [0.0, 1.0, 200.0])
def test_orthonormal_features_cost_what_is_worked_out_by_hand(scale: float) -> None:
    """Each anchor's own key has a score of s and the B - 1 others 0. e^200 is beyond a float32."""
    rows = 16
    loss = cast(Curl, made("curl"))
    loss.bilinear = nn.Parameter(scale * torch.eye(rows))

    class OneHot(Encoder):
        def forward(self, obs: Observation) -> Tensor:
            return torch.cat([torch.eye(rows), obs["vector"]], dim=1)

    loss.key_encoder = OneHot()
    features = torch.cat([torch.eye(rows), torch.randn(rows, VECTOR)], dim=1)
    value, reported = loss.loss(features, random_batch(rows=rows))
    assert value.item() == pytest.approx(math.log(1 + (rows - 1) * math.exp(-scale)), abs=1e-6)
    assert reported["curl_accuracy"] == (1 if scale else pytest.approx(1 / rows))


def test_keys_have_no_gradient_and_follow_the_encoder() -> None:
    loss = cast(Curl, made("curl"))
    sac = small_sac("critic", auxiliaries={"curl": loss}, tau=0.25)
    loss.online[0] = sac.agent.encoder
    sac.target_parameters, sac.online_parameters = sac.agent.target_pairs()
    keys = [one.detach().clone() for one in loss.key_encoder.parameters()]
    sac.update(random_batch())
    assert all(one.grad is None for one in loss.key_encoder.parameters()) and gradients(sac.agent.encoder)
    assert loss.bilinear.grad is not None
    assert not {id(one) for one in loss.key_encoder.parameters()} & {one for own in owners(sac).values() for one in own}
    for now, before, online in zip(loss.key_encoder.parameters(), keys, sac.agent.encoder.parameters(), strict=True):
        torch.testing.assert_close(now, 0.75 * before + 0.25 * online.detach())


def test_a_key_is_another_crop_of_the_same_images_and_neither_reads_the_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, batch = cast(Curl, made("curl")), random_batch()
    seen: list[Observation] = []
    loss.key_encoder.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    features = small_encoder()(batch.obs).detach().requires_grad_()
    value, _ = loss.loss(features, batch)
    (slope,) = torch.autograd.grad(value, features)
    assert slope[:, :50].any() and not slope[:, 50:].any()
    keys, moved = seen[0]["pixels"], 0
    for row, image in enumerate(batch.obs["pixels"].numpy()):
        padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="edge")
        at = [
            (y, x)
            for y in range(9)
            for x in range(9)
            if (padded[y : y + SIDE, x : x + SIDE] == keys[row].numpy()).all()
        ]
        assert len(at) == 1
        moved += at != [(4, 4)]
    assert moved > 25
    monkeypatch.setattr(curl, "PAD", 0)
    loss.loss(features, batch)
    assert seen[1]["pixels"].equal(batch.obs["pixels"])


# ---------------------------------------------------------------------- SPR


class Plain(Encoder):
    """A world whose observations are its features."""

    def forward(self, obs: Observation) -> Tensor:
        return obs["vector"]


def rotated(points: Tensor, angle: Tensor) -> Tensor:
    """Points (P, 2) turned by angles (P,)."""
    x, y = points.unbind(1)
    return torch.stack([angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y], dim=1)


def world(rows: int, seed: int) -> Any:
    """Points that each action in [-1, 1] turns by so many radians; after an episode's end they are anything."""
    generator = torch.Generator().manual_seed(seed)
    points, actions = torch.randn(rows, 2, generator=generator), torch.rand(rows, K, 1, generator=generator) * 2 - 1
    ends, following, here = torch.randint(1, K + 1, (rows,), generator=generator), [], points
    for step in range(K):
        here = rotated(here, actions[:, step, 0])
        following.append(torch.where((step < ends)[:, None], here, torch.randn(rows, 2, generator=generator)))
    future = Future({"vector": torch.stack(following, dim=1)}, actions, torch.arange(K) < ends[:, None])
    batch = random_batch(rows=rows)
    return points, replace(batch, future=future)


def test_spr_recovers_a_rotation_that_the_actions_make() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = SPR(Plain(), Sizes(2, 1, (SIDE, SIDE, 3)), 1.0)
    loss.projection = loss.predictor = nn.Identity()  # else it is known but for a linear map
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-2)
    for step in range(400):
        points, batch = world(256, seed=step)
        value, _ = loss.loss(points, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    angle = torch.linspace(-1, 1, 9).repeat_interleave(8)
    points = rotated(torch.tensor([[1.0, 0.0]]).repeat(72, 1), torch.arange(72.0))
    turned = loss.rollout(points, angle.view(-1, 1, 1))[:, 0].detach()
    cross = points[:, 0] * turned[:, 1] - points[:, 1] * turned[:, 0]
    found = torch.atan2(cross, (points * turned).sum(1))
    assert (found - angle).abs().max() < 0.1  # radians


def test_its_mask_is_a_loop_over_the_steps_of_each_episode() -> None:
    loss, batch = cast(SPR, made("spr")), batch_with_future()
    features = small_encoder()(batch.obs).detach()
    total, steps = 0.0, 0
    with torch.no_grad():
        for row in range(32):
            predicted = features[row, :50]
            for step in range(row % K + 1):
                predicted = loss.transition(torch.cat([predicted, batch.future.action[row, step]]))
                coming = loss.online[0]({name: part[row, step][None] for name, part in batch.future.obs.items()})
                one, other = loss.predictor(loss.projection(predicted)), loss.projection(coming[0, :50])
                total += 2 - 2 * (one @ other / one.norm() / other.norm()).item()
                steps += 1
        value, _ = loss.loss(features, batch)
    assert value.item() == pytest.approx(total / steps, rel=1e-5)


def test_targets_have_no_gradient_and_a_collapse_is_seen_in_the_log() -> None:
    loss, batch = cast(SPR, made("spr")), batch_with_future()
    value, reported = loss.loss(small_encoder()(batch.obs).detach(), batch)
    value.backward()
    assert all(one.grad is None for one in loss.online[0].parameters()) and reported["spr_std"] > 0.01
    encoder = cast(PixelEncoder, loss.online[0])
    nn.init.zeros_(cast(nn.Linear, encoder.pooling.linear).weight)
    value, reported = loss.loss(small_encoder()(batch.obs).detach(), batch)
    assert reported["spr_std"] < 1e-6 and value.isfinite()


def test_shifts_move_what_is_to_come_too() -> None:
    """Each observation by its own offset, or all of a transition by the same; and where nothing follows, the random
    numbers are those that they were."""
    batch = batch_with_future()
    same = replace(batch, future=None)
    for shared in (False, True):
        shift, other = RandomShift(2, shared, seed=3), RandomShift(2, shared, seed=3)
        moved: Any = shift(batch)
        assert moved.next_obs["pixels"].equal(other(same).next_obs["pixels"])
        still = replace(batch, obs=batch.obs | {"pixels": batch.future.obs["pixels"][:, 1]})
        as_one = RandomShift(2, shared, seed=3)(still).obs["pixels"]  # by the transition's own offset
        assert moved.future.obs["pixels"][:, 1].equal(as_one) == shared
        assert moved.future.obs["vector"].equal(batch.future.obs["vector"])


# ---------------------------------------------------------------------- the autoencoder


def test_its_gradient_reaches_encoder_and_decoder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the error itself, without the penalties."""
    monkeypatch.setattr(autoencoder, "LATENT", 0.0)
    monkeypatch.setattr(autoencoder, "DECAY", 0.0)
    loss = made("autoencoder")
    sac, batch = small_sac("critic", auxiliaries={"autoencoder": loss}), random_batch()
    value, _ = loss.loss(sac.agent.encode(batch.obs), batch)
    value.backward()
    reached = {id(one) for one in (*sac.agent.encoder.parameters(), *loss.parameters())}
    assert {id(one) for one in sac.agent.parameters() if one.grad is not None} == reached


def test_five_bits_are_those_of_numpy() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    expected = np.floor(pixels / 8) / 32 - 0.5 + 1 / 64
    np.testing.assert_allclose(target(torch.from_numpy(pixels)).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("coord_conv", [False, True])
def test_every_familys_decoder_gives_images_of_their_size(family: str, coord_conv: bool) -> None:
    encoder = PixelEncoder(family, "flat", 6, 84, VECTOR, coord_conv=coord_conv)
    decoder = Autoencoder(encoder, Sizes(50, ACTION, (84, 84, 6)), 1.0)
    assert decoder(torch.zeros(2, 50)).shape == (2, 84, 84, 6)


def test_the_penalties_are_those_of_the_paper() -> None:
    """Adam's weight decay adds 1e-7 times each weight to its gradient."""
    loss, batch = cast(Autoencoder, made("autoencoder", weight=2.0)), random_batch()
    features = small_encoder()(batch.obs).detach().requires_grad_()
    value, reported = loss.loss(features, batch)
    assert reported["autoencoder_loss"] == pytest.approx(
        (loss(features[:, :50]) - target(batch.obs["pixels"])).square().mean().item(), rel=1e-5
    )
    squares = sum(float(one.detach().double().square().sum()) for one in loss.parameters())
    penalties = 1e-6 * 0.5 * features[:, :50].double().square().sum(1).mean().item() + 0.5e-7 * squares
    assert value.item() == pytest.approx(2 * (reported["autoencoder_loss"].item() + penalties), rel=1e-5)


# ---------------------------------------------------------------------- in the agent and in a run


@pytest.mark.parametrize("name", AUXILIARIES)
def test_each_learns_and_is_left_out_of_a_policy(name: str) -> None:
    loss = made(name)
    sac = small_sac("goal", goal_loss=0.0, auxiliaries={name: loss}, encoder_learning_rate=3e-3)
    batch = batch_with_future()
    if name != "autoencoder":
        cast(Any, loss).online[0] = sac.agent.encoder
    assert {id(one) for one in encoder_parameters(sac.agent)} <= set(owners(sac)["critic"])
    first, _ = sac.update(batch)
    for _ in range(60):
        last, _ = sac.update(batch)
    assert last[f"{name}_loss"] < 0.9 * first[f"{name}_loss"]
    assert any(f"auxiliaries.{name}." in key for key in sac.agent.state_dict())
    assert not any(name in key for key in sac.agent.policy_state())


def test_gradient_norms_are_each_losss_own_and_leave_no_trace() -> None:
    losses = {name: made(name, weight=3.0) for name in AUXILIARIES}
    sac, batch = small_sac("critic", goal_loss=1.0, auxiliaries=losses), batch_with_future()
    state = sac.agent.generator.get_state()
    row = encoder_gradients(sac, batch)
    assert set(row) == {f"encoder_grad_norm_{name}" for name in ("critic", "goal_regression", *AUXILIARIES)}
    assert all(one.grad is None for one in sac.agent.parameters())
    for name, one in losses.items():
        sac.agent.generator.set_state(state)
        sac.agent.zero_grad()
        one.loss(sac.agent.encode(batch.obs), batch)[0].backward()
        norm = torch.cat([slope.flatten() for slope in gradients(sac.agent.encoder)]).norm().item()
        assert row[f"encoder_grad_norm_{name}"] == pytest.approx(norm, rel=1e-4)
    del row["encoder_grad_norm_critic"]
    assert set(encoder_gradients(small_sac("goal", auxiliaries=losses), batch)) == set(row)  # the critic's stays out


ALL = ("--env-id", "FetchReach-v4", "--obs", "pixels-only", "--pooling", "flat", "--buffer-size", "800",
       "--batch-size", "8", "--updates-per-step", "0.125", "--shift-pad", "4", "--goal-loss", "1",
       "--learning-rate-decay", "0", "--eval-episodes", "1", "--final-episodes", "1",
       "--auxiliary", "curl", "spr=0.5", "autoencoder")  # fmt: skip


def test_all_together_a_run_is_resumed_bit_for_bit_and_its_model_has_nothing_of_them(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert tiny(whole, *ALL, "--total-steps", "160") == 0
    assert tiny(parts, *ALL, "--total-steps", "120") == 0
    assert run("--resume", str(parts), "--total-steps", "160") == 0
    assert not differences(saved_state(whole), saved_state(parts))
    row = metrics(whole)[-1]
    names = ["curl_loss", "curl_accuracy", "spr_loss", "spr_std", "autoencoder_loss", "goal_loss"]
    names += [f"encoder_grad_norm_{name}" for name in ("critic", "goal_regression", *AUXILIARIES)]
    assert all(float(row[name]) > 0 for name in names)
    policy = torch.load(whole / "model.pt", weights_only=True)["policy"]
    assert {key.split(".")[1] for key in policy if key.startswith("auxiliaries.")} == {"goal_regression"}

    import eval as evaluation

    assert evaluation.main([str(whole), "--episodes", "1"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("curls",), "there is no loss 'curls': name some of curl, spr, autoencoder"),
        (("curl,spr",), "there is no loss 'curl,spr': name some of curl, spr, autoencoder, apart"),
        (("goal-regression",), "goal-regression is --goal-loss WEIGHT"),
        (("curl", "curl=2"), "curl is there twice"),
        (("spr=much",), "the weight in 'spr=much' must be a number above 0"),
        (("spr=nan",), "the weight in 'spr=nan' must be a number above 0"),
        (("spr=0",), "the weight in 'spr=0' must be a number above 0"),
    ],
)
def test_what_names_no_loss_is_one_sentence(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny(tmp_path / "run", "--obs", "pixels-only", "--auxiliary", *words) == 2
    error = capsys.readouterr().err
    assert f"--auxiliary: {said}" in error and error.strip().count("\n") == 0
    assert not (tmp_path / "run").exists()


def test_weights_are_read_from_a_saved_configuration() -> None:
    from training.config.saved import from_json

    config = tiny_config("--obs", "pixels-only", "--auxiliary", "curl", "spr=0.5")
    assert config.auxiliary_weights == {"curl": 1.0, "spr": 0.5}
    assert from_json(config.to_json()) == config
