"""What an update learns from."""

from __future__ import annotations

from typing import get_args

import pytest

from agent.routing import RoutingName
from replay import Batch
from tests.training.runs import TINY
from training import gpu_updates
from training.config import cli
from training.trainer import Trainer


def explored(*flags: str) -> Trainer:
    """A trainer with 30 steps of each environment in its replay, the same for the same flags."""
    trainer = Trainer(cli.parse([flags[0], *TINY, "--num-envs", "2", "--buffer-size", "200", *flags[1:]]))
    trainer.start()
    for _ in range(30):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    trainer.close()
    return trainer


def assert_equal(one: Batch, other: Batch) -> None:
    for ours, theirs in zip(one.tensors(), other.tensors(), strict=True):
        assert ours.equal(theirs)


def test_from_state_the_minibatches_of_several_updates_are_cut_from_one_sample() -> None:
    together = explored("push").ring.sample(3 * 16)
    batches = explored("push").updates.batches(3)
    for number, (batch,) in enumerate(batches):
        rows = slice(16 * number, 16 * number + 16)
        assert_equal(batch, together.map(lambda part: part[rows]))  # noqa: B023


@pytest.mark.parametrize(
    "flags, sizes",
    [
        (("push-pixels",), [("pixels", 16, 16)] + [("estimate", 16, 16)] * 7),
        (("push-pixels", "--goals-per-image", "2"), [("pixels", 16, 32)] + [("estimate", 32, 32)] * 7),
        (("push-pixels-chapter",), [("pixels", 16, 16)]),
        (
            ("push-pixels", "--goal-input", "concat", "--no-goal-motion", "--updates-per-encoding", "3"),
            [("pixels", 16, 16)] * 3,
        ),
    ],
)
def test_from_pixels_an_update_has_a_batch_for_each_of_its_steps(
    flags: tuple[str, ...], sizes: list[tuple[str, int, int]]
) -> None:
    """What the networks read, rows of observations, goals."""
    (batches,) = explored(*flags).updates.batches(1)
    found = [({"pixels", "estimate"} & set(batch.obs), len(batch.achieved_goal), len(batch.goal)) for batch in batches]
    assert found == [({name}, rows, goals) for name, rows, goals in sizes]


def test_minibatches_sampled_ahead_are_those_of_the_eager_loop() -> None:
    """Where nothing is stored and nothing rewritten between them."""
    eager, ahead = explored("push-pixels"), explored("push-pixels")
    prefetched = gpu_updates.PrefetchedUpdates(ahead.eager_updates)
    for ours, theirs in zip(prefetched.batches(3), eager.updates.batches(3), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)


@pytest.mark.parametrize("accelerate", ["auto", "max"])
def test_on_a_cpu_the_loop_has_the_eager_updates(accelerate: str) -> None:
    trainer = explored("push", "--accelerate", accelerate)
    assert trainer.updates is trainer.eager_updates
    assert trainer.why_no_cuda_graph == "the learner is on a CPU"


def test_the_learning_rates_of_an_update_are_those_of_its_step() -> None:
    """Constant over the first half of the steps, then falling linearly to 0; the encoder's too."""
    flags = ("push-pixels-chapter", "--total-steps", "800", "--learning-rate", "0.004", "--encoder-learning-rate")
    trainer = explored(*flags, "0.002")
    found = {}
    for step in (0, 400, 600, 800):
        trainer.learner.set_progress(step)
        critic = trainer.learner.sac.optimizers["critic"]
        found[step] = [float(group["lr"]) for group in critic.param_groups]
    expected = {0: [0.004, 0.002], 400: [0.004, 0.002], 600: [0.002, 0.001], 800: [0.0, 0.0]}
    assert found == {step: pytest.approx(rates) for step, rates in expected.items()}


def test_further_updates_leave_the_encoder_as_the_first_left_it() -> None:
    """And Adam with it: neither new gradients nor old momentum move it."""
    whole, first = (explored("push-pixels", "--accelerate", "off") for _ in range(2))
    for _ in range(2):  # from the second on there is momentum
        (batches,) = whole.updates.batches(1)
        whole.learner.update(batches)
        first.learner.update(batches[:1])
        for one, other in zip(whole.agent.encoder.parameters(), first.agent.encoder.parameters(), strict=True):
            assert one.equal(other)
    actors = (trainer.agent.actor.state_dict().values() for trainer in (whole, first))
    assert not any(one.equal(other) for one, other in zip(*actors, strict=True))


@pytest.mark.parametrize("flags", ["push-pixels", "push-pixels-chapter --routing actor --critic-obs state",
                                   *(f"push-pixels-chapter --routing {routing}" for routing in get_args(RoutingName)
                                     if routing != "goal")])  # fmt: skip
def test_each_update_reports_the_gradient_that_has_moved_the_encoder(flags: str) -> None:
    """By the first of its steps, whatever the further ones leave behind; with `both`, by the later of two losses."""
    whole, first = (explored(*flags.split(), "--accelerate", "off") for _ in range(2))
    for _ in range(2):
        (batches,) = whole.updates.batches(1)
        metrics, _ = whole.learner.update(batches)
        first.learner.update(batches[:1])
        trained = [*first.agent.encoder.parameters(), *first.agent.auxiliaries.parameters()]
        norm = sum(float(one.grad.double().square().sum()) for one in trained if one.grad is not None) ** 0.5
        assert float(metrics["encoder_grad_norm"]) == pytest.approx(norm, rel=1e-4) and norm > 0  # float32 sums
