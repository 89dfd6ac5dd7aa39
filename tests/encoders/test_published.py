"""Published weights: the networks' names and sizes, and what of a file is read or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from encoders import published
from encoders.description import describe
from encoders.mobilenet import MobileNetV2
from encoders.resnet import ResNet
from encoders.transformer import TransformerBlock, VisionTransformer

SIDE = 32


def resnet18(outputs: int | None = None) -> ResNet:
    return ResNet((2, 2, 2, 2), bottleneck=False, outputs=outputs)


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
    described = describe(str(file), SIDE)
    assert (described.size, described.any_side) == (size, "VC" not in format_name)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content["r3m"].pop("module.convnet.bn1.bias"), 'no whole ResNet .*Missing key.*"bn1.bias"'),
        (lambda content: content["r3m"].update({"module.head.bias": torch.zeros(1)}), "no whole ResNet .*Unexpected"),
        (lambda content: content.update({"r3m": {}}), "no whole ResNet"),
        (lambda content: content.pop("r3m"), "none of R3M, VIP, VC-1"),
        (lambda content: content.update({"r3m": [torch.zeros(1)]}), "none of R3M, VIP, VC-1"),
        (lambda content: content["r3m"].update({"fc.weight": torch.tensor(0.0)}), "none of R3M, VIP, VC-1"),
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
