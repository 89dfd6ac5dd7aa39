"""Families of convolutions, as tables: images (B, 84, 84, channels) in, maps (B, channels, height, width) out.

- nature (Mnih et al. 2015): 84 -> 20 -> 9 -> 7, 32 maps, then 64.
- manipulation (the chapter's): 84 -> 42 -> 42 -> 42 -> 21, 32 maps.
- drqv2 (Yarats et al. 2021): 84 -> 41 -> 39 -> 37 -> 35, 32 maps.
- fast: 84 -> 42 -> 21 -> 21, 16 maps, then 32; for a CPU, where the large maps of the first layers cost most. In the
  preset push-pixels, one seed learned as much per step as with manipulation (measured with the previous version,
  experiments/results/ablations), and an update takes half the time (benchmarks/README.md).
- tdmpc2 (Hansen et al. 2024): 84 -> 39 -> 18 -> 8 -> 6, 32 maps; at the paper's 64 pixels 29, 13, 6, 4. Only SimNorm
  follows the last layer (`pooling.py`). The paper's random shift, applied in evaluation too, is left out.
- dreamer (DreamerV3, Hafner et al. 2025): 84 -> 42 -> 21 -> 11 -> 6, 32 maps, then 48, 64, 64: multiples 2, 3, 4, 4 of
  16, as in the 12M model; RMSNorm and SiLU after each layer. Padding is 2 on all sides, whereas JAX's "same" pads an
  even side by 1 before and 2 after.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Layer(NamedTuple):
    channels: int
    kernel: int
    stride: int
    padding: int
    then: Literal["relu", "rms-norm, silu", "nothing"] = "relu"


def _three_by_three(*strides: int, padding: int) -> tuple[Layer, ...]:
    return tuple(Layer(32, 3, stride, padding) for stride in strides)


FAMILIES: dict[str, tuple[Layer, ...]] = {
    "nature": (Layer(32, 8, 4, 0), Layer(64, 4, 2, 0), Layer(64, 3, 1, 0)),
    "manipulation": _three_by_three(2, 1, 1, 2, padding=1),
    "drqv2": _three_by_three(2, 1, 1, 1, padding=0),
    "fast": (Layer(16, 3, 2, 1), Layer(32, 3, 2, 1), Layer(32, 3, 1, 1)),
    "tdmpc2": (Layer(32, 7, 2, 0), Layer(32, 5, 2, 0), Layer(32, 3, 2, 0), Layer(32, 3, 1, 0, "nothing")),
    "dreamer": tuple(Layer(16 * multiple, 5, 2, 2, "rms-norm, silu") for multiple in (2, 3, 4, 4)),
}


def shapes(family: str, channels: int, size: int) -> list[tuple[int, int, int]]:
    """Shapes (channels, height, width) of the images and of each layer's output."""
    found = [(channels, size, size)]
    for layer in FAMILIES[family]:
        side = (found[-1][-1] + 2 * layer.padding - layer.kernel) // layer.stride + 1
        found.append((layer.channels, side, side))
    return found
