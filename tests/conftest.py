"""Settings for all tests: two processes of tests, of as many threads as there are cores, would wait for one another."""

from __future__ import annotations

import training  # noqa: F401  isort: skip  (before torch: threads that wait spin briefly, as in a run)

import torch

torch.set_num_threads(1)
