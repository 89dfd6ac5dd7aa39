"""What is to be known of a published network before a run begins."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from encoders import published
from encoders.transformer import VisionTransformer

SIDE = 224  # pixels per side of the images that all of these networks were trained on


class Description(NamedTuple):
    """Properties of a network that are needed before it is built."""

    size: int  # F, features per image
    any_side: bool  # whether the network takes images of other sides than 224
    maps: tuple[tuple[int, ...], ...]  # shapes of its layers' outputs for one image, for counting memory
    parameters: int  # numbers in its weights, likewise


@lru_cache
def describe(file: str, side: int) -> Description:
    """Describe the network of a file, for images of `side` pixels. Raises ValueError as `published.load` does."""
    network, maps = published.load(file), []
    any_side = not isinstance(network, VisionTransformer)
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output: maps.append(tuple(output.shape[1:])))
    network.to("meta")(torch.empty(1, 3, *[side if any_side else SIDE] * 2, device="meta"))
    return Description(network.size, any_side, tuple(maps), sum(one.numel() for one in network.parameters()))
