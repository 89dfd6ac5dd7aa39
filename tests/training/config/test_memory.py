"""Memory that a run will take, known before it starts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from goals import EnvironmentGoals
from tests.replay.episodes import spec_of
from training.config import cli, memory


def test_memory_that_a_gpu_shares_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (123, 456))
    for integrated in (False, True):
        properties = SimpleNamespace(is_integrated=integrated)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, found=properties: found)
        assert memory.shares_memory(gpu) == integrated
        assert (memory.available_bytes(gpu) == 123) != integrated


def test_the_memory_of_an_encoder_is_at_least_what_its_gradient_takes() -> None:
    """Against what torch keeps for the backward pass, and no more than a few times as much."""
    from encoders import PixelEncoder, shapes

    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    encoder = PixelEncoder("manipulation", "flat", 6, 84, 10)
    pixels, vector = torch.zeros(8, 84, 84, 6, dtype=torch.uint8), torch.zeros(8, 10)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        encoder({"vector": vector, "pixels": pixels})
    told = memory.encoder_bytes(shapes("manipulation", 6, 84), 8, updates=1)
    assert sum(kept.values()) < told < 5 * sum(kept.values())


def test_weights_that_grow_with_the_features_are_counted() -> None:
    """CURL's bilinear form on all values of drqv2's last maps, 32 x 35 x 35 of them, is square; each weight has a
    gradient and two moments."""
    flags = ("push-pixels-chapter", "--encoder", "drqv2", "--pooling", "simnorm", "--no-feature-norm")
    with_curl, without = (memory.learner_need(cli.parse([*flags, *more])) for more in (("--auxiliary", "curl"), ()))
    assert with_curl - without > 16 * (32 * 35 * 35) ** 2


def test_the_memory_of_the_replay_is_known_beforehand() -> None:
    from replay import Ring

    ring = Ring(
        spec_of(80, 8, 31, 3, 4, pixels=(84, 84, 6)), goal_space=EnvironmentGoals(3, lambda achieved, _: achieved[:, 0])
    )
    assert memory.replay_bytes(80, 31, 3, 4, 84 * 84 * 6) == sum(table.nbytes for table in ring.storage.tables.values())
