"""Published weights of pretrained networks, loaded strictly: missing or left-over weights are an error.

| format | what is read | what is dropped | features |
|---|---|---|---|
| R3M (Nair et al. 2022) | `["r3m"]`, `module.convnet.*`: ResNet-18, 34, 50 | `lang_enc`, `lang_rew` | 512, 512, 2048 |
| VIP (Ma et al. 2023) | `["vip"]`, `module.convnet.*`: ResNet-50 with a Linear behind it | | 1024 |
| VC-1 (Majumdar et al. 2023) | `["model"]`: ViT-B/16 or ViT-L/16 | `decoder*`, `mask_token` | 768, 1024 |
| torchvision's ResNet | all: ResNet-18, 34, 50 and deeper ones | `fc` | 512 or 2048 |
| torchvision's MobileNetV2, and the first one in PyTorch | all | `classifier` | 1280 |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from encoders.mobilenet import MobileNetV2, first_names, untrained
from encoders.resnet import ResNet
from encoders.transformer import VisionTransformer

Weights = dict[str, Tensor]
Network = ResNet | MobileNetV2 | VisionTransformer
RANDOM = "random"  # instead of a file: an untrained MobileNetV2


def load(file: str) -> Network:
    """Load the network of a file of published weights, or of "random", in eval mode.

    Raises:
        ValueError: one sentence, if the file does not exist, has none of the formats, or is incomplete.
    """
    if file == RANDOM:
        return untrained().eval()
    content = _content(file)
    try:
        network, weights = _network(content)
    except (AttributeError, IndexError, TypeError, ValueError):  # names of a format, but other things behind them
        raise ValueError(f"{file} is none of R3M, VIP, VC-1, and torchvision's ResNet and MobileNetV2") from None
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{file} is no whole {type(network).__name__} ({reason})") from None
    return network.eval()


def _content(file: str) -> Mapping[str, Any]:
    """Read a file's weights by name, running no code from the file. Raises ValueError."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{file} cannot be read ({error.strerror})") from None
    except Exception as error:  # pickle, zip and torch each have their own
        raise ValueError(f"{file} is not a file of weights alone ({type(error).__name__})") from None
    if not isinstance(content, Mapping):
        raise ValueError(f"{file} holds no weights by name")
    return content


def _network(content: Mapping[str, Any]) -> tuple[Network, Weights]:
    """Untrained network of the content's format, and the weights to load into the network. Raises ValueError if it has
    none; AttributeError, IndexError or TypeError if only its names are of a format."""
    for format_name in ("r3m", "vip"):
        if format_name in content:
            weights = _without(content[format_name], "module.lang_enc", "module.lang_rew")
            weights = {name.removeprefix("module.convnet."): value for name, value in weights.items()}
            return _resnet(weights), weights
    if "model" in content:
        weights = _without(content["model"], "decoder", "mask_token")
        depth = 1 + max((int(name.split(".")[1]) for name in weights if name.startswith("blocks.")), default=0)
        return VisionTransformer(weights["norm.weight"].shape[0] if "norm.weight" in weights else 768, depth), weights
    if "conv1.weight" in content:
        weights = _without(content, "fc.")
        return _resnet(weights), weights
    if "features.0.0.weight" in content:
        return MobileNetV2(), first_names(_without(content, "classifier."))
    raise ValueError("no known format")


def _without(weights: Mapping[str, Tensor], *prefixes: str) -> Weights:
    return {name: value for name, value in weights.items() if not name.startswith(prefixes)}


def _resnet(weights: Weights) -> ResNet:
    blocks = [{name.split(".")[1] for name in weights if name.startswith(f"layer{stage}.")} for stage in range(1, 5)]
    outputs = weights["fc.weight"].shape[0] if "fc.weight" in weights else None
    return ResNet(tuple(map(len, blocks)), "layer1.0.conv3.weight" in weights, outputs)
