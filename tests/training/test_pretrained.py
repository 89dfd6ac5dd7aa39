"""Frozen features in the place of images: in the replay, in updates and when acting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import pixel_push
from agent.accelerate import has_bfloat16
from encoders import Backbone
from tests.training.runs import at_step, differences, metrics, run, saved_state, stop
from tests.training.test_pixels import SIGHT, learned
from training import checkpoint
from training.config import cli
from training.config.memory import observation_bytes
from training.diagnosis import diagnose
from training.model import make_frozen
from training.trainer import Trainer

STEPS = 100  # the ring has gone round, an episode has ended
FROZEN = ["--encoder", "pretrained", "--weights", "random", "--weights-side", "32", "--freeze", "--shift-pad", "0"]


def played(*flags: str) -> Trainer:
    """After steps of exploration alone, which are the same whatever the agent is."""
    trainer = Trainer(cli.parse([*SIGHT, *flags]))
    trainer.start()
    for _ in range(STEPS):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    return trainer


@pytest.fixture(scope="module")
def frozen() -> Iterator[Trainer]:
    trainer = played(*FROZEN, "--accelerate", "off")  # in float32, to compare with
    yield trainer
    trainer.close()


def test_the_replay_keeps_each_images_features_in_its_place(frozen: Trainer) -> None:
    """Those of the images that a run with eyes of its own stores; stacked as they are, over the ends of episodes."""
    twin = played("--shift-pad", "0")
    backbone = Backbone("random", 32)
    table = frozen.ring.storage.tables["embedding"]
    assert "pixels" not in frozen.ring.storage.tables
    assert table.dtype == torch.float16 and table.shape == (160, 2 * 1280)
    ours, theirs = frozen.ring.sample(60), twin.ring.sample(60)
    assert ours.obs.keys() == theirs.obs.keys() - {"pixels"} | {"embedding"}
    for obs, seen in ((ours.obs, theirs.obs), (ours.next_obs, theirs.next_obs)):
        assert obs["vector"].equal(seen["vector"])
        expected = backbone.embed(seen["pixels"])  # (60, 2 images x 2 cameras x 1280)
        torch.testing.assert_close(obs["embedding"], expected, rtol=5e-3, atol=5e-3)
        assert expected.float().std(0).mean() > 0.02
    twin.close()


def test_a_frozen_network_is_made_faster_as_the_others_are(frozen: Trainer) -> None:
    plain, wanted = frozen.policy.frozen, make_frozen(cli.parse([*SIGHT, *FROZEN]), torch.device("cpu"))
    assert plain is not None and wanted is not None
    dtype = torch.bfloat16 if has_bfloat16(torch.device("cpu")) else torch.float32
    assert {part.dtype for part in wanted.parameters()} == {dtype}
    assert not any(isinstance(module, nn.BatchNorm2d) for module in wanted.modules())
    assert {part.dtype for part in plain.parameters()} == {torch.float32}  # with --accelerate off
    assert any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())


def test_an_update_reads_features_and_no_images(frozen: Trainer) -> None:
    (batches,) = frozen.updates.batches(1)
    assert set(batches[0].obs) == {"vector", "embedding", "index", "estimate_before"}
    assert frozen.updates.update(batches)["encoder_grad_norm"] > 0
    assert frozen.agent.encoder.trunk.linear.in_features == 2 * 2 * 1280  # type: ignore[union-attr]
    assert diagnose(frozen.learner.sac, frozen.eager_updates, seed=0)["readout_cm"] > 0


def test_memory_is_counted_as_it_is_taken(frozen: Trainer) -> None:
    networks = frozen.agent.config
    one = observation_bytes(frozen.config, networks.vector_size, networks.goal_size, networks.action_size)
    taken = sum(table.nbytes for table in frozen.ring.storage.tables.values()) / 160
    assert one == pytest.approx(taken, rel=0.01)
    assert one < 6_000  # 2 cameras x 1,280 x 2 bytes, where images take 42,336


def test_a_stopped_run_goes_on_and_its_policy_acts_from_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit; the network itself is in no file of the run's, but is read again."""
    assert learned("whole", "--total-steps", "120", *FROZEN) == 0
    with monkeypatch.context() as patch:
        at_step(patch, 90, stop)
        assert learned("run", "--total-steps", "120", *FROZEN) == 128 + 15
    assert run("--resume", "run") == 0
    assert metrics(Path("run")) == metrics(Path("whole"))
    assert differences(saved_state(Path("run")), saved_state(Path("whole"))) == []
    assert not [name for name in checkpoint.load(Path("run/model.pt"), "cpu")["policy"] if "backbone" in name]
    policy = pixel_push.load("run")
    with policy.make_env() as env:
        obs, _ = env.reset(seed=0)
    blind = obs | {"pixels": np.zeros_like(obs["pixels"])}
    sees, blinded = (policy.predict(one, deterministic=True)[0] for one in (obs, blind))
    assert not np.allclose(sees, blinded, atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--encoder", "pretrained"], "name it with --weights"),
        (["--freeze"], "--freeze is of --encoder pretrained, not of fast"),
        (["--weights", "random"], "--weights is of --encoder pretrained"),
        ([*FROZEN, "--pooling", "spatial-softmax"], "leaves no maps for --pooling spatial-softmax: say flat or relu"),
        ([*FROZEN, "--shift-pad", "4"], "no images to shift or store"),
        ([*FROZEN, "--replay-on-disk"], "no images to shift or store"),
        ([*FROZEN, "--coord-conv"], "reads images as it was trained to"),
        ([*FROZEN, "--weights", "nowhere.pt"], "--weights: nowhere.pt cannot be read (No such file or directory)."),
        ([*FROZEN, "--weights-side", "8"], "--weights-side is 8"),
    ],
)
def test_what_does_not_go_together_is_refused(flags: list[str], said: str, capsys: pytest.CaptureFixture) -> None:
    assert run("push-pixels", *flags) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not Path("runs").exists()
