"""Running mean and standard deviation of the vector inputs, as in the HER baseline (Plappert et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_STD = 1e-3  # floor, so that nearly constant inputs are not blown up
CLIP = 5.0  # standard deviations


class Normalizer(nn.Module):
    """Shift and scale each input by the mean and standard deviation of all inputs seen so far.

    The training loop calls `update()` once per step with new observations; the learner only reads. Statistics are kept
    in float64 and copied in place to float32 buffers, where a captured graph sees them.

    Args:
        size: number of inputs.
        enabled: False passes inputs through untouched.
        untouched: how many of the last inputs are passed on as they are.
    """

    count: Tensor
    running_mean: Tensor  # (size,) float64
    running_var: Tensor
    shift: Tensor  # (size,) float32
    scale: Tensor

    def __init__(self, size: int, enabled: bool = True, untouched: int = 0) -> None:
        super().__init__()
        self.enabled, self.touched = enabled, size - untouched
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("running_mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("running_var", torch.ones(size, dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    @torch.no_grad()
    def update(self, inputs: Tensor) -> None:
        """Merge a batch (N, size) into the statistics."""
        if self.enabled and inputs.shape[1]:
            inputs = inputs.to(torch.float64)
            self.merge(len(inputs), inputs.mean(0), inputs.var(0, correction=0))

    @torch.no_grad()
    def merge(self, rows: Tensor | int, mean: Tensor, var: Tensor) -> None:
        """Merge a batch, given its number of rows, mean and variance (size,), float64 (Chan et al. 1983: pairwise)."""
        if not self.enabled:
            return
        total = self.count + rows
        difference = mean - self.running_mean
        squares = self.running_var * self.count + var * rows
        squares += difference.square() * self.count * rows / total
        self.running_mean += difference * rows / total
        self.running_var.copy_(squares / total)
        self.count.copy_(total)
        touched = slice(self.touched)
        self.shift[touched] = self.running_mean[touched].float()
        self.scale[touched] = (1.0 / self.running_var[touched].sqrt().clamp(min=MIN_STD)).float()

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, size) -> (B, size), within +-CLIP."""
        if not self.enabled:
            return inputs
        return ((inputs - self.shift) * self.scale).clamp(-CLIP, CLIP)
