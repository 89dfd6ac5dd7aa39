"""Small auxiliary losses, and batches with what follows each row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from auxiliary import AUXILIARIES, Auxiliary, Sizes
from replay import Future
from tests.agent.small import ACTION, SIDE, VECTOR, random_batch, small_encoder

SIZES = Sizes(50, ACTION, (SIDE, SIDE, 3))
K = 3


def made(name: str, weight: float = 1.0) -> Auxiliary:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        one = AUXILIARIES[name](small_encoder(), SIZES, weight)
    one.generator = torch.Generator().manual_seed(0)
    return one


def future_of(rows: int, ends: Tensor, seed: int = 1) -> Future:
    """K observations and actions for each row, whose episode ends after `ends` (rows,) of them."""
    generator = torch.Generator().manual_seed(seed)
    obs = {
        "vector": torch.randn(rows, K, VECTOR, generator=generator),
        "pixels": torch.randint(256, (rows, K, SIDE, SIDE, 3), dtype=torch.uint8, generator=generator),
    }
    return Future(obs, torch.rand(rows, K, ACTION, generator=generator) * 2 - 1, torch.arange(K) < ends[:, None])


def batch_with_future(rows: int = 32) -> Any:
    batch = random_batch(rows=rows)
    ends = torch.arange(rows) % K + 1
    return replace(batch, future=future_of(rows, ends))
