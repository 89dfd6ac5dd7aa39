"""CURL against a case that is worked out by hand."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auxiliary import curl
from auxiliary.curl import Curl
from encoders import Encoder
from replay.batch import Observation
from tests.agent.small import SIDE, VECTOR, gradients, owners, random_batch, small_encoder, small_sac
from tests.auxiliary.small import made


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
