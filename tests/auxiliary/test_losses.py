"""Auxiliary losses in the agent and in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from agent.routing import encoder_parameters
from auxiliary import AUXILIARIES
from tests.agent.small import gradients, owners, small_sac
from tests.auxiliary.small import batch_with_future, made
from tests.training.runs import differences, metrics, run, saved_state, tiny, tiny_config
from training.diagnosis import encoder_gradients


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
    # The shorter run was evaluated at its end: that is in its rows.
    assert differences(saved_state(whole), saved_state(parts)) == ["/rows"]
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
