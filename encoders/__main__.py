"""Output shapes and cost of each encoder: `python -m encoders [--cameras 1] [--images 16]`.

For each family with its own pooling (a flat trunk; SimNorm for tdmpc2): shapes of the maps, number of parameters, and
per image the multiply-adds and milliseconds of a forward pass, on this machine's CPU in float32 with one thread. The
time is the fastest of a few passes; other load on the machine makes it longer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from encoders.families import FAMILIES, shapes
from encoders.pixels import PixelEncoder

SIDE = 84  # pixels
PASSES = 5


@dataclass(frozen=True)
class Arguments:
    cameras: int = 1
    """Cameras whose images are stacked as channels."""
    images: int = 16
    """Images per timed pass."""


def encoder(family: str, channels: int) -> PixelEncoder:
    """Encoder of a family with its own pooling: SimNorm for tdmpc2, a flat trunk for all others."""
    own = family == "tdmpc2"
    return PixelEncoder(family, "simnorm" if own else "flat", channels, SIDE, vector_size=0, feature_norm=not own)


def parameters(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def multiply_adds(forward: Callable[[], Tensor]) -> int:
    """Number of multiply-adds in convolutions, matrix products and attention."""
    with FlopCounterMode(display=False) as counted:
        forward()
    return counted.get_total_flops() // 2


@torch.no_grad()
def milliseconds(forward: Callable[[], Tensor]) -> float:
    """Milliseconds of the fastest of PASSES passes."""
    forward()
    times = []
    for _ in range(PASSES):
        before = time.perf_counter()
        forward()
        times.append(time.perf_counter() - before)
    return 1000 * min(times)


def main(arguments: Arguments) -> int:
    """Print the table; returns the exit code, 2 if there is nothing to encode."""
    if arguments.images < 1 or arguments.cameras < 1:
        print("encoders: --images and --cameras must be at least 1.", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    channels = 3 * arguments.cameras
    table = Table("family", "maps", "features", "parameters", "multiply-adds", "ms an image")
    pixels = torch.randint(256, (arguments.images, SIDE, SIDE, channels), dtype=torch.uint8)
    obs = {"pixels": pixels, "vector": torch.zeros(len(pixels), 0)}
    one = {name: part[:1] for name, part in obs.items()}
    for family in FAMILIES:
        module = encoder(family, channels)
        maps = " ".join(f"{deep}x{high}x{wide}" for deep, high, wide in shapes(family, channels, SIDE)[1:])
        table.add_row(
            family,
            maps,
            str(module.feature_size),
            f"{parameters(module):,}",
            f"{multiply_adds(lambda module=module: module(one)) / 1e6:.1f}M",  # type: ignore[misc]
            f"{milliseconds(lambda module=module: module(obs)) / len(pixels):.2f}",  # type: ignore[misc]
        )
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, prog="python -m encoders", description=__doc__)))
