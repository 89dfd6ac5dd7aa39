"""What is measured beside the losses, each against a case whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agent import SAC
from agent.features import encode
from replay import Batch
from tests.agent.small import ACTION, random_batch, small_sac, state_tensors
from tests.training.runs import metrics, tiny, tiny_config
from training import diagnosis, logger
from training.trainer import Trainer

MEASURES = ("td_loss_original", "td_loss_relabelled", "explained_variance", "action_gap", "goal_gap", "dormant_units")
REACH = ("--env-id", "FetchReach-v4", "--total-steps", "240")
PIXELS = ("--obs", "pixels-only", "--buffer-size", "800", "--goal-loss", "1", "--goal-input", "replace",
          "--routing", "goal", "--updates-per-encoding", "2", "--pooling", "flat")  # fmt: skip


@pytest.mark.parametrize("flags", [REACH, (*REACH, *PIXELS)], ids=["state", "pixels"])
def test_a_run_is_bit_for_bit_what_it_is_without(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny(tmp_path / "with", *flags) == 0
    monkeypatch.setattr("training.run.diagnose", lambda *_: {})
    assert tiny(tmp_path / "without", *flags) == 0
    with_them, without = metrics(tmp_path / "with"), metrics(tmp_path / "without")
    names = [*MEASURES, *(["readout_cm", "encoder_grad_norm_goal_regression"] if "--obs" in flags else [])]
    assert all(row[name] for row in with_them if row["critic_loss"] for name in names)
    for mine, other in zip(with_them, without, strict=True):
        measured = {name for name in mine if mine[name] != other[name]}
        assert measured <= set(names), f"at step {mine['step']}"
    assert set(names) <= set(logger.COLUMNS)


def parts_of(sac: SAC, batch: Batch) -> dict[str, float]:
    with torch.no_grad():
        return diagnosis.gaps(sac.agent, batch, encode(sac.agent, batch))


def cut(sac: SAC, columns: slice) -> None:
    """Have both critics ignore these of their inputs: features, goal, action."""
    critic: Any = sac.agent.critic
    for q in (critic.q1, critic.q2):
        q.first[0].weight.data[:, columns] = 0


def test_gaps_are_zero_for_a_critic_that_ignores_action_or_goal() -> None:
    batch, blind, deaf = random_batch(rows=64), small_sac(), small_sac()
    cut(blind, slice(-ACTION, None))
    cut(deaf, slice(-ACTION - 3, -ACTION))
    whole = parts_of(small_sac(), batch)
    assert whole["action_gap"] > 0.05 and whole["goal_gap"] > 0.05
    assert parts_of(blind, batch)["action_gap"] < 1e-6 < 0.05 < parts_of(blind, batch)["goal_gap"]
    assert parts_of(deaf, batch)["goal_gap"] < 1e-6 < 0.05 < parts_of(deaf, batch)["action_gap"]


def test_units_that_never_fire_are_dormant() -> None:
    sac, batch = small_sac(width=16, layer_norm=False), random_batch(rows=64)
    with torch.no_grad():
        for one in sac.agent.critic.modules():
            if isinstance(one, nn.Linear) and one.out_features == 16:
                one.weight.zero_()
                one.bias.fill_(1.0)
                one.bias[:4] = -1.0
        assert diagnosis.dormant(sac.agent, batch, encode(sac.agent, batch)) == 0.25


def test_explained_variance_is_one_for_the_target_itself_and_zero_for_its_mean() -> None:
    target = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert diagnosis.explained_variance(torch.zeros(1000), target) == 1
    assert diagnosis.explained_variance(target - target.mean(), target) == pytest.approx(0, abs=1e-6)
    assert diagnosis.explained_variance(torch.zeros(3), torch.ones(3)) == 0


def test_a_readout_finds_what_is_linear_in_the_features_and_no_more() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(512, 10, dtype=torch.float64, generator=generator)
    mixing = torch.randn(10, 2, dtype=torch.float64, generator=generator)
    noise = 0.05 * torch.randn(512, 2, dtype=torch.float64, generator=generator)

    def error(outputs: Tensor) -> float:
        return diagnosis.readout((features[:256], outputs[:256]), (features[256:], outputs[256:]))

    assert error(features @ mixing + 3 + noise) == pytest.approx(0.05 * 2**0.5, rel=0.2)
    assert error(20 * noise) == pytest.approx(2**0.5, rel=0.2)  # not in the features: about its own spread


def test_a_readout_is_tested_on_other_transitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that are random numbers of each image, nearly as many as a minibatch has rows: fitted to, they would
    locate the achieved goal; on other images they do not."""
    config = tiny_config(*REACH, *PIXELS, "--batch-size", "48")
    seen: list[tuple[Tensor, Tensor]] = []

    def numbers(_agent: Any, features: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        keys = batch.obs["pixels"].flatten(1).double() @ torch.arange(84 * 84 * 3, dtype=torch.float64).sin()
        seen.append((keys, batch.achieved_goal.double()))
        return torch.outer(keys, 1e3 * torch.arange(1, 45, dtype=torch.float64)).sin(), seen[-1][1]

    monkeypatch.setattr(diagnosis, "seen", numbers)
    with Trainer(config) as trainer:
        trainer.start()
        for _ in range(50):
            trainer.collector.begin_step(explore_only=True)
            trainer.collector.end_step()
        row = diagnosis.diagnose(trainer.learner.sac, trainer.eager_updates, 0)
    (one, _), (other, achieved) = seen
    assert len(set(one.tolist()) & set(other.tolist())) < 24  # of 48; the few images that there are come up again
    spread = (achieved - achieved.mean(0)).square().sum(1).mean().sqrt().item()
    assert row["readout_cm"] > 50 * spread


def test_both_kinds_of_goals_are_sampled_apart_and_rewarded_as_they_are() -> None:
    with Trainer(tiny_config(*REACH)) as trainer:
        trainer.start()
        for _ in range(60):
            trainer.collector.begin_step(explore_only=True)
            trainer.collector.end_step()
        before = [one.clone() for one in (trainer.ring.generator.get_state(), *state_tensors(trainer.learner.sac))]
        storage, ratio = trainer.ring.storage, trainer.ring.her_ratio
        asked = {tuple(goal) for goal in storage.tables["desired_goal"].float().tolist()}
        achieved = {tuple(goal) for goal in storage.tables["achieved_goal"].float().tolist()}
        trainer.ring.subtract_achieved, trainer.ring.goal_noise = False, 0.0
        original, relabelled = (diagnosis.sample(trainer.eager_updates, ratio, 0) for ratio in (0.0, 1.0))
        assert {tuple(goal) for goal in original.goal.tolist()} <= asked
        assert {tuple(goal) for goal in relabelled.goal.tolist()} <= achieved
        diagnosis.diagnose(trainer.learner.sac, trainer.eager_updates, 0)
        after = [trainer.ring.generator.get_state(), *state_tensors(trainer.learner.sac)]
        assert trainer.ring.her_ratio == ratio
        assert all(one.equal(other) for one, other in zip(before, after, strict=True))
