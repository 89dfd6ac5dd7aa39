"""Pretrained networks as encoders: what their images go through, and that they stand still."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from encoders import Backbone, PretrainedEncoder, published
from encoders.mobilenet import MobileNetV2
from encoders.preprocessing import preprocess
from encoders.resnet import ResNet

SIDE = 32


def random_images(count: int = 2, channels: int = 3, side: int = 84) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, side, side, channels), dtype=torch.uint8, generator=generator)


def coloured_images(count: int) -> Tensor:
    """Noise on a ground whose colour differs between images."""
    return random_images(count) // 4 + 3 * (random_images(count, side=1) // 4)


# ---------------------------------------------------------------------- images


def test_images_are_resized_and_normalised_as_numpy_does_it_by_hand() -> None:
    """Two pixels near each place, weighted by distance; pixels' middles lie at halves; edges are repeated."""
    pixels, side = random_images(1), 224
    found = preprocess(pixels, side)[0].numpy()
    image = pixels[0].numpy().astype(np.float64)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for row, column in ((0, 0), (0, 223), (100, 57), (223, 101), (5, 200)):
        places = [(index + 0.5) * 84 / side - 0.5 for index in (row, column)]
        value = np.zeros(3)
        for down in (0, 1):
            for across in (0, 1):
                near = [int(np.floor(place)) + step for place, step in zip(places, (down, across), strict=True)]
                weight = np.prod([1 - abs(place - at) for place, at in zip(places, near, strict=True)])
                value += weight * image[np.clip(near[0], 0, 83), np.clip(near[1], 0, 83)]
        np.testing.assert_allclose(found[:, row, column], (value / 255 - mean) / std, atol=1e-5)


@pytest.mark.parametrize(("side", "mode"), [(224, "bicubic"), (224, "bilinear"), (56, "bilinear")])
def test_images_are_resized_as_pillow_does_it(side: int, mode: str) -> None:
    pixels = random_images(1)
    resample = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[mode]
    channels = [Image.fromarray(pixels[0, ..., channel].numpy().astype(np.float32)) for channel in range(3)]
    resized = np.stack([np.asarray(channel.resize((side, side), resample)) for channel in channels]).clip(0, 255)
    shown = (resized / 255 - np.array([0.485, 0.456, 0.406])[:, None, None]) / np.array(
        [[[0.229]], [[0.224]], [[0.225]]]
    )
    np.testing.assert_allclose(preprocess(pixels, side, mode)[0].numpy(), shown, atol=1e-3)


# ---------------------------------------------------------------------- as an encoder


def test_each_camera_and_frame_has_its_own_features_in_their_order() -> None:
    backbone, pixels = Backbone("random", SIDE), random_images(2, channels=9)
    parts = [backbone.embed(pixels[..., start : start + 3]) for start in (0, 3, 6)]
    found = backbone.embed(pixels)
    assert found.dtype == torch.float16 and found.shape == (2, 3 * 1280)
    torch.testing.assert_close(found, torch.cat(parts, dim=1), rtol=2e-3, atol=2e-3)
    assert not torch.allclose(parts[0], parts[1], rtol=0.05)


@pytest.mark.parametrize("network", [MobileNetV2, lambda: ResNet((1, 1, 1, 1), bottleneck=True)])
def test_batchnorms_are_folded_into_convolutions(
    network: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their statistics are, the features stay the same."""
    built, pixels = network().train(), coloured_images(16)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of these images
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    built(preprocess(pixels, SIDE))
    built.eval()
    monkeypatch.setattr(published, "load", lambda _: built)
    plain, folded = Backbone("", SIDE), Backbone("", SIDE).fold_norms()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    expected = plain(pixels)
    assert (folded(pixels) - expected).abs().mean() < 1e-3 * expected.std(0).mean()


def test_features_in_bfloat16_differ_less_than_those_of_two_images() -> None:
    backbone, pixels = Backbone("random", SIDE), coloured_images(8)
    expected = backbone.embed(pixels).float()
    backbone.bfloat16()
    assert 0 < (backbone.embed(pixels).float() - expected).abs().mean() < 0.2 * expected.std(0).mean()


def test_trained_further_it_learns_and_its_batchnorms_stand_still() -> None:
    """Told to train, it stays in eval mode: an image's features depend on no other image, and no statistics move."""
    encoder = PretrainedEncoder(Backbone("random", SIDE), 2 * 1280, "flat", 4)
    encoder.train()
    statistics = {name: part.clone() for name, part in encoder.named_buffers()}
    obs = {"pixels": random_images(4, channels=6), "vector": torch.randn(4, 4)}
    features = encoder(obs)
    assert features.shape == (4, 54) and encoder.feature_size == 54 and features[:, 50:].equal(obs["vector"])
    alone = encoder({name: part[:1] for name, part in obs.items()})
    torch.testing.assert_close(alone, features[:1], rtol=1e-3, atol=1e-4)
    features[:, :50].square().sum().backward()
    assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in encoder.parameters())
    assert statistics and all(part.equal(statistics[name]) for name, part in encoder.named_buffers())


def test_frozen_it_reads_features_alone() -> None:
    frozen, trained = (PretrainedEncoder(one, 1280, "relu", 4) for one in (None, Backbone("random", SIDE)))
    frozen.load_state_dict({name: part for name, part in trained.state_dict().items() if "backbone" not in name})
    assert trained.backbone is not None
    pixels, vector = random_images(3), torch.randn(3, 4)
    embedding = trained.backbone.embed(pixels)
    found, expected = frozen({"embedding": embedding, "vector": vector}), trained({"pixels": pixels, "vector": vector})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)
    assert found[:, :256].std(0).mean() > 0.03
