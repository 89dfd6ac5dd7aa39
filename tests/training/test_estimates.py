"""Estimates of the achieved goal that the replay keeps, so that updates behind the encoder need no images."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from agent.features import Features, encode
from replay import Batch
from replay.batch import Observation
from tests.training.test_pixels import SIGHT
from training.config import cli
from training.resume import resharded
from training.trainer import Trainer

STEPS = 60  # of each of two environments: an episode ends within them
FLAGS = ["--accelerate", "off", "--shift-pad", "0", "--updates-per-encoding", "3", "--learning-rate", "1e-12",
         "--buffer-size", "200"]  # fmt: skip


@pytest.fixture
def trainer() -> Iterator[Trainer]:
    """After an episode, with weights and normalisers that stand still."""
    one = Trainer(cli.parse([*SIGHT, *FLAGS]))
    torch.manual_seed(0)
    for normalizer in one.agent.normalizers:
        normalizer.update(torch.randn(100, len(normalizer.shift)) * 0.1 + 1)
    one.collector.update_normalizers = lambda *_: None
    one.start()
    for _ in range(STEPS):
        one.collector.begin_step(explore_only=False)
        one.collector.end_step()
    yield one
    one.close()


def estimated(trainer: Trainer, obs: Observation) -> Tensor:
    """From the images: encoder, regression, and back to metres by mean and deviation."""
    agent = trainer.agent
    regression = agent.goal_regression
    assert regression is not None
    deviation = regression.normalizer.running_var.sqrt()
    with torch.no_grad():
        return (regression(agent.encode(obs)) * deviation + regression.normalizer.running_mean).float()


def test_each_observation_is_stored_with_what_its_own_images_say(trainer: Trainer) -> None:
    """Stacked images too, and the last observation of an episode, which no action follows."""
    storage = trainer.ring.storage
    batch = trainer.ring.sample(500)
    for obs in (batch.obs, batch.next_obs):
        torch.testing.assert_close(obs["estimate"], estimated(trainer, obs), rtol=1e-5, atol=1e-5)
        assert obs["estimate"].std(0).min() > 1e-4  # they differ
    assert storage.tables["end"][: STEPS * 2].max() == 50


def test_an_update_reads_images_once_and_kept_estimates_of_other_transitions_after_it(trainer: Trainer) -> None:
    (batches,) = trainer.updates.batches(1)
    seen, *others = batches
    goals = 2 * len(seen.obs["pixels"])
    assert len(others) == 2 and {len(batch.reward) for batch in batches} == {goals}
    assert set(seen.obs) == {"vector", "pixels", "index", "estimate_before"}
    for batch in others:
        assert set(batch.obs) == {"vector", "estimate", "estimate_before"} and len(batch.obs["estimate"]) == goals
        assert len(batch.action.unique(dim=0)) > goals // 2
    assert not others[0].action.equal(others[1].action)


def test_an_update_rewrites_the_estimates_of_its_images_and_no_others(trainer: Trainer) -> None:
    table = trainer.ring.storage.tables["estimate"]
    (batches,) = trainer.updates.batches(1)
    table.fill_(7.0)
    trainer.updates.update(batches)
    expected = torch.full_like(table, 7.0)
    for obs in (batches[0].obs, batches[0].next_obs):
        expected[obs["index"] % len(table)] = estimated(trainer, obs)
    torch.testing.assert_close(table, expected, rtol=1e-5, atol=1e-5)
    assert 7.0 in expected


def test_estimates_that_come_late_spare_what_has_taken_their_place(trainer: Trainer) -> None:
    """Sampled, then so many steps later that the ring has gone round, as a prefetched minibatch may be."""
    storage, (batches,) = trainer.ring.storage, trainer.updates.batches(1)
    index = batches[0].obs["index"]
    oldest = index[index.argmin()]
    for _ in range(storage.slots - STEPS // 2):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    before = storage.tables["estimate"].clone()
    storage.rewrite("estimate", index, torch.full((len(index), 3), 7.0))
    now = storage.cursors["newest"].min() - storage.slots + 1
    kept = index // 2 >= now
    assert oldest // 2 < now and kept.any()
    expected = before.clone()
    expected[index[kept] % len(before)] = 7.0
    assert storage.tables["estimate"].equal(expected)


def test_the_first_estimates_are_in_units_of_the_first_observations() -> None:
    """Within some deviations of what was seen, though no statistics stood before."""
    one = Trainer(cli.parse([*SIGHT, *FLAGS]))
    one.start()
    regression = one.agent.goal_regression
    assert regression is not None
    estimate = one.ring.storage.tables["estimate"][:2].double()
    assert ((estimate - regression.normalizer.running_mean) * regression.normalizer.scale).abs().max() < 10
    one.close()


def test_further_updates_learn_from_the_kept_estimates(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoded by name, in the place that the images' own encoding would have; and nothing else stands for them."""
    batch = trainer.ring.sample(50, names=("vector", "pixels", "estimate", "estimate_before"))
    read = ("vector", "estimate", "estimate_before"), ("vector", "pixels", "estimate_before")
    kept, seen = (replace(batch, obs=_only(batch.obs, names), next_obs=_only(batch.next_obs, names)) for names in read)
    for ours, theirs in zip(encode(trainer.agent, kept)[1:], encode(trainer.agent, seen)[1:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    (batches,) = trainer.updates.batches(1)
    read_by: list[float] = []
    target = trainer.learner.sac.target

    def noted(batch: Batch, features: Features) -> Tensor:
        read_by.append(float(features.critic.detach()[:, -3:].mean()))
        return target(batch, features)

    monkeypatch.setattr(trainer.learner.sac, "target", noted)
    trainer.learner.update(batches)
    expected = [float(trainer.agent.from_estimate(one.obs)[:, -3:].mean()) for one in batches[1:]]
    assert read_by[1:] == pytest.approx(expected, rel=1e-5)


def test_actor_and_critic_read_the_same_of_an_estimate_as_of_its_images(trainer: Trainer) -> None:
    """Estimates far out too: neither way clips them."""
    agent, batch = trainer.agent, trainer.ring.sample(100)
    obs = batch.obs | {"estimate": 50 * batch.obs["estimate"]}
    assert agent.goal_regression is not None
    with torch.no_grad():
        final = cast(nn.Linear, agent.goal_regression.mlp[-1])
        features = agent.encode({name: obs[name] for name in ("vector", "pixels")})
        final.weight.zero_()
        normalizer = agent.goal_regression.normalizer
        final.bias.copy_((obs["estimate"][0] - normalizer.running_mean) / normalizer.running_var.sqrt())
        expected = agent.with_estimate(features)
    still = obs["estimate"][:1].expand(100, -1)
    inputs = agent.from_estimate(obs | {"estimate": still, "estimate_before": still})
    torch.testing.assert_close(inputs, expected, rtol=1e-4, atol=1e-4)
    assert inputs[:, -3:].abs().min() > 5


def step(trainer: Trainer, steps: int) -> None:
    for _ in range(steps):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()


@pytest.mark.parametrize("more", [0, 70])
def test_the_estimate_before_is_that_of_the_observation_before_in_the_same_episode(trainer: Trainer, more: int) -> None:
    """An episode's first, and after the ring went round its oldest, have their own."""
    step(trainer, more)
    storage = trainer.ring.storage
    table = storage.tables["estimate"].copy_(torch.randn(storage.tables["estimate"].shape))
    batch = trainer.ring.sample(1_000, names=("estimate", "estimate_before", "index"))
    oldest = max(0, int(storage.cursors["newest"].max()) - storage.slots + 1)
    assert (oldest > 0) == (more > 0)
    own = 0
    for obs in (batch.obs, batch.next_obs):
        for index, now, before in zip(obs["index"].tolist(), obs["estimate"], obs["estimate_before"], strict=True):
            time = index // 2
            alone = time % 51 == 0 or time == oldest
            assert now.equal(table[index % len(table)])
            assert before.equal(now if alone else table[(index - 2) % len(table)])
            own += alone
    assert own


def test_the_agent_acts_on_the_estimates_of_this_observation_and_the_one_before(trainer: Trainer) -> None:
    """Over the end of an episode, where the new one begins with its own."""
    begun, collector = 0, trainer.collector
    for _ in range(60):
        assert collector.shown is not None
        earlier = collector.shown.obs["estimate"]
        step(trainer, 1)
        opens = trainer.ring.storage.cursors["start"] == trainer.ring.storage.cursors["newest"]
        now, before = collector.shown.obs["estimate"], collector.shown.obs["estimate_before"]
        assert before.equal(torch.where(opens[:, None], now, earlier)) and not now.equal(earlier)
        begun += int(opens.sum())
    assert begun


def test_actor_and_critic_read_the_motion_in_tenths_of_a_deviation(trainer: Trainer) -> None:
    """From images or from kept estimates, of this observation and of the next; by default no encoder sees it."""
    agent, config = trainer.agent, trainer.config
    assert config.goal_motion and agent.goal_regression is not None
    everything = ("vector", "pixels", "estimate", "estimate_before")
    batch = trainer.ring.sample(50, names=everything)
    kept, seen = (
        replace(batch, obs=_only(batch.obs, names), next_obs=_only(batch.next_obs, names))
        for names in (("vector", "estimate", "estimate_before"), ("vector", "pixels", "estimate_before"))
    )
    deviation = agent.goal_regression.normalizer.running_var.sqrt()
    for obs, part in ((batch.obs, "critic"), (batch.next_obs, "next_critic")):
        expected = 10 * (obs["estimate"] - obs["estimate_before"]).double() / deviation
        assert expected.abs().max() > 1e-4
        for read in (kept, seen):
            found = getattr(encode(agent, read), part).detach()[:, 10:13]
            torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-4)


def _only(obs: Observation, names: tuple[str, ...]) -> Observation:
    return {name: obs[name] for name in names}


def test_without_motion_the_networks_read_three_numbers_less() -> None:
    sizes = []
    for flags in ([], ["--no-goal-motion"]):
        one = Trainer(cli.parse([*SIGHT, *FLAGS, *flags]))
        sizes.append(one.agent.actor.mlp.first[0].in_features)
        one.close()
    assert sizes == [10 + 3 + 3 + 3, 10 + 3 + 3]  # vector, motion, estimate, goal


def test_ranks_that_take_over_a_run_have_the_estimates_of_their_own_environments(trainer: Trainer) -> None:
    step(trainer, 3)
    state, shown = trainer.state_dict(), trainer.collector.shown
    assert shown is not None
    for env in range(2):
        part = resharded([copy.deepcopy(state)], env, 2)
        for name in ("estimate", "estimate_before"):
            assert part["collector"]["shown"]["obs"][name].equal(shown.obs[name][env : env + 1])
        assert part["ring"]["tables"]["estimate"].equal(state["ring"]["tables"]["estimate"][env::2])
