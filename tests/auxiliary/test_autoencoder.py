"""The autoencoder (SAC-AE) against numpy and the paper's penalties."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from auxiliary import Sizes, autoencoder
from auxiliary.autoencoder import Autoencoder, target
from encoders import PixelEncoder
from encoders.families import FAMILIES
from tests.agent.small import ACTION, VECTOR, random_batch, small_encoder, small_sac
from tests.auxiliary.small import made


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
