"""Pretrained networks: their published names and sizes, what their images go through, and that they stand still."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from encoders import Backbone, PretrainedEncoder, published
from encoders.networks import MobileNetV2, ResNet, TransformerBlock, VisionTransformer
from encoders.pretrained import preprocess

SIDE = 32


def resnet18(outputs: int | None = None) -> ResNet:
    return ResNet((2, 2, 2, 2), bottleneck=False, outputs=outputs)


def random_images(count: int = 2, channels: int = 3, side: int = 84) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, side, side, channels), dtype=torch.uint8, generator=generator)


def coloured_images(count: int) -> Tensor:
    """Noise on a ground whose colour differs between images."""
    return random_images(count) // 4 + 3 * (random_images(count, side=1) // 4)


# ---------------------------------------------------------------------- the networks


@pytest.mark.parametrize(
    ("network", "entries", "parameters", "multiply_adds"),
    [  # of torchvision's and timm's, without their classifiers
        (lambda: resnet18(), 120, 11_176_512, 1.81e9),
        (lambda: ResNet((3, 4, 6, 3), bottleneck=False), 216, 21_284_672, 3.66e9),
        (lambda: ResNet((3, 4, 6, 3), bottleneck=True), 318, 23_508_032, 4.09e9),
        (MobileNetV2, 312, 2_223_872, 0.30e9),
        (lambda: VisionTransformer(768, 12), 150, 85_798_656, 17.6e9),
        (lambda: VisionTransformer(1024, 24), 294, 303_301_632, 61.6e9),
    ],
)
def test_networks_have_their_published_sizes(
    network: Callable[[], nn.Module], entries: int, parameters: int, multiply_adds: float
) -> None:
    with torch.device("meta"):
        built = network()
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            built(torch.empty(1, 3, 224, 224))
    assert len(built.state_dict()) == entries
    assert sum(parameter.numel() for parameter in built.parameters()) == parameters
    assert counted.get_total_flops() / 2 == pytest.approx(multiply_adds, rel=0.01)


@pytest.mark.parametrize("names", [
    (lambda: ResNet((3, 4, 6, 3), bottleneck=True), "layer2.0.downsample.1.running_var", "layer4.2.conv3.weight"),
    (MobileNetV2, "features.1.conv.3.weight", "features.17.conv.6.weight", "features.18.1.bias"),
    (lambda: VisionTransformer(64, 1), "cls_token", "patch_embed.proj.bias", "blocks.0.attn.qkv.weight",
     "blocks.0.mlp.fc2.bias", "norm.weight"),
])  # fmt: skip
def test_parameters_have_their_published_names(names: tuple[Any, ...]) -> None:
    with torch.device("meta"):
        assert set(names[1:]) <= names[0]().state_dict().keys()


def test_a_transformers_block_is_torchs() -> None:
    ours, theirs = TransformerBlock(128), nn.TransformerEncoderLayer(
        128, 2, 512, dropout=0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )  # fmt: skip
    names = {"norm1": "norm1", "norm2": "norm2", "self_attn.out_proj": "attn.proj", "linear1": "mlp.fc1",
             "linear2": "mlp.fc2"}  # fmt: skip
    weights = {f"{name}.{kind}": ours.state_dict()[f"{own}.{kind}"]
               for name, own in names.items() for kind in ("weight", "bias")}  # fmt: skip
    qkv = {f"self_attn.in_proj_{kind}": ours.state_dict()[f"attn.qkv.{kind}"] for kind in ("weight", "bias")}
    theirs.load_state_dict(weights | qkv)
    tokens = torch.randn(3, 7, 128)
    torch.testing.assert_close(ours(tokens), theirs(tokens), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------- formats


def as_torchvision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's names of MobileNetV2: layers of convolution, norm and activation are modules of their own."""

    def renamed(name: str) -> str:
        found = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(.+)", name)
        if found is None:
            return name
        block, at, rest = int(found[1]), int(found[2]), found[3]
        places = ["0.0", "0.1", "", "1", "2"] if block == 1 else ["0.0", "0.1", "", "1.0", "1.1", "", "2", "3"]
        return f"features.{block}.conv.{places[at]}.{rest}"

    return {renamed(name): value for name, value in weights.items()}


def r3m(network: ResNet) -> dict[str, Any]:
    weights = {f"module.convnet.{name}": value for name, value in network.state_dict().items()}
    language = {
        "module.lang_enc.model.embeddings.weight": torch.zeros(3),
        "module.lang_rew.pred.0.bias": torch.zeros(1),
    }
    return {"r3m": weights | language, "global_step": 7}


def vc1(network: VisionTransformer) -> dict[str, Any]:
    decoder = {"mask_token": torch.zeros(1), "decoder_pos_embed": torch.zeros(2), "decoder_norm.bias": torch.zeros(3)}
    return {"model": network.state_dict() | decoder}


FORMATS: dict[str, tuple[Callable[[], Any], Callable[[Any], dict[str, Any]], int]] = {
    "R3M": (resnet18, r3m, 512),
    "R3M, ResNet-50": (lambda: ResNet((3, 4, 6, 3), bottleneck=True), r3m, 2048),
    "VIP": (
        lambda: ResNet((3, 4, 6, 3), bottleneck=True, outputs=1024),
        lambda network: {"vip": {f"module.convnet.{name}": value for name, value in network.state_dict().items()}},
        1024,
    ),
    "VC-1": (lambda: VisionTransformer(192, 2), vc1, 192),
    "torchvision's ResNet": (lambda: resnet18(outputs=1000), lambda network: network.state_dict(), 512),
    "MobileNetV2": (MobileNetV2, lambda network: network.state_dict() | {"classifier.1.bias": torch.zeros(9)}, 1280),
    "torchvision's MobileNetV2": (MobileNetV2, lambda network: as_torchvision(network.state_dict()), 1280),
}


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_format_is_read_whole(format_name: str, tmp_path: Path) -> None:
    """Every weight, BatchNorm's statistics among them, arrives where it belongs."""
    build, saved, size = FORMATS[format_name]
    network = build()
    for part in network.state_dict().values():
        part.copy_(torch.randn(part.shape) if part.is_floating_point() else 7)
    file = tmp_path / "weights.pt"
    torch.save(saved(network), file)
    read = published.load(str(file))
    assert not read.training and read.size == size
    wanted, found = network.state_dict(), read.state_dict()
    if format_name == "torchvision's ResNet":
        wanted = {name: part for name, part in wanted.items() if not name.startswith("fc.")}
    assert wanted.keys() == found.keys() and all(part.equal(found[name]) for name, part in wanted.items())
    described = published.describe(str(file), SIDE)
    assert (described.size, described.any_side) == (size, "VC" not in format_name)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content["r3m"].pop("module.convnet.bn1.bias"), 'no whole ResNet .*Missing key.*"bn1.bias"'),
        (lambda content: content["r3m"].update({"module.head.bias": torch.zeros(1)}), "no whole ResNet .*Unexpected"),
        (lambda content: content.update({"r3m": {}}), "no whole ResNet"),
        (lambda content: content.pop("r3m"), "none of R3M, VIP, VC-1"),
        (lambda content: content.update({"code": Path}), "not a file of weights alone"),
    ],
)
def test_what_is_not_whole_is_refused_in_a_sentence(spoil: Callable[[Any], Any], said: str, tmp_path: Path) -> None:
    content, file = r3m(resnet18()), tmp_path / "weights.pt"
    spoil(content)
    torch.save(content, file)
    with pytest.raises(ValueError, match=said) as refused:
        published.load(str(file))
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=r"nowhere\.pt cannot be read"):
        published.load(str(tmp_path / "nowhere.pt"))


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
