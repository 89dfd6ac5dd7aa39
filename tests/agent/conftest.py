"""Where a test takes numbers from torch's global stream, it takes the same ones each time."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    torch.manual_seed(0)
