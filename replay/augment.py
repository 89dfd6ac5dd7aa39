"""Random shifts of images (Yarats et al. 2021; Laskin et al. 2020), by whole pixels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from replay.batch import Batch, Future, Observation


class RandomShift:
    """Shift the images of a minibatch, on the device where they are.

    Args:
        pad: largest shift in pixels, in each direction; 0 disables shifts.
        shared: shift an observation, its next and its future observations by one offset; else each by its own offset.
        device, seed: device and seed of the random generator.
    """

    def __init__(self, pad: int, shared: bool, device: torch.device | str = "cpu", seed: int = 0) -> None:
        self.pad, self.shared = pad, shared
        self.generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, batch: Batch) -> Batch:
        if not self.pad or "pixels" not in batch.obs:
            return batch
        count = len(batch.obs["pixels"])
        offset = random_offsets(count, self.pad, self.generator)
        own = offset if self.shared else random_offsets(count, self.pad, self.generator)
        obs, next_obs = self._shifted(batch.obs, offset), self._shifted(batch.next_obs, own)
        return replace(batch, obs=obs, next_obs=next_obs, future=self._future(batch.future, offset))

    def _future(self, future: Future | None, offset: Tensor) -> Future | None:
        """Future, each observation shifted by its own offset or, if shared, by its transition's `offset` (P, 2)."""
        if future is None:
            return None
        rows = future.mask.numel()
        own = offset.repeat_interleave(rows // len(offset), 0)
        flat = {"pixels": future.obs["pixels"].flatten(0, 1)}  # (P K, H, W, C)
        shifted = self._shifted(flat, own if self.shared else random_offsets(rows, self.pad, self.generator))
        return future._replace(obs=future.obs | {"pixels": shifted["pixels"].unflatten(0, future.mask.shape)})

    def _shifted(self, obs: Observation, offset: Tensor) -> Observation:
        return obs | {"pixels": shift(obs["pixels"], offset, self.pad)}

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state_dict()`."""
        self.generator.set_state(state["generator"].cpu())


def shift(pixels: Tensor, offset: Tensor, pad: int) -> Tensor:
    """Pad each image by replicating its border pixels, and crop it at `pad + offset`.

    All crops are views of the padded images; only one crop per image is copied.

    Args:
        pixels: (B, H, W, C).
        offset: (B, 2) int64 from -pad to pad, rows and columns that the crop moves down and right.
        pad: pixels on each side.

    Returns:
        (B, H, W, C), of the same dtype.
    """
    _, height, width, _ = pixels.shape
    top, bottom = (pixels[:, row].expand(-1, pad, -1, -1) for row in (slice(None, 1), slice(-1, None)))
    padded = torch.cat([top, pixels, bottom], dim=1)
    left, right = (padded[:, :, column].expand(-1, -1, pad, -1) for column in (slice(None, 1), slice(-1, None)))
    padded = torch.cat([left, padded, right], dim=2)
    crops = padded.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)  # (B, 2P + 1, 2P + 1, H, W, C)
    down, across = (offset + pad).unbind(1)
    return crops[torch.arange(len(pixels), device=pixels.device), down, across]


def random_offsets(count: int, pad: int, generator: torch.Generator) -> Tensor:
    """Random integers (count, 2), uniform in -pad .. pad."""
    return torch.randint(-pad, pad + 1, (count, 2), device=generator.device, generator=generator)
