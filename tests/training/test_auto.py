"""What is chosen for the user: by rule alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from tests.training.runs import tiny, tiny_config
from training import auto, run_folder
from training.presets import PRESETS

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("cores", "device", "pixels", "chosen"),
    [
        (2, CPU, True, (2, 2)), (2, CPU, False, (1, 1)), (1, CPU, True, (1, 0)), (1, CPU, False, (1, 0)),
        (16, CPU, True, (8, 16)), (16, GPU, True, (1, 15)),
    ],
)  # fmt: skip
def test_the_rule(cores: int, device: torch.device, pixels: bool, chosen: tuple[int, int]) -> None:
    assert auto.threads_and_workers(cores, device, pixels) == chosen


def test_what_is_asked_for_stays() -> None:
    open_, asked = PRESETS["push-pixels"], dataclasses.replace(PRESETS["push-pixels"], threads=3, workers=0)
    assert auto.resolved(asked, CPU, 4) == asked
    assert auto.resolved(open_, CPU, 4) == dataclasses.replace(open_, threads=4, workers=4)


def test_it_is_in_the_runs_configuration_and_in_force(tmp_path: Any) -> None:
    before = torch.get_num_threads()
    try:
        assert tiny(tmp_path / "run", "--total-steps", "160", "--threads", "2") == 0
        assert torch.get_num_threads() == 2
        assert tiny(tmp_path / "open", "--total-steps", "160") == 0
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert run_folder.saved_config(tmp_path / "run") == dataclasses.replace(
        tiny_config("--total-steps", "160", "--threads", "2", "--run-dir", str(tmp_path / "run")),
        accelerate=run_folder.saved_config(tmp_path / "run").accelerate,
    )
    assert run_folder.saved_config(tmp_path / "open").threads == 1
