"""Tiny runs in this process, and what to compare of them."""

from __future__ import annotations

import csv
import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from training import checkpoint, logger
from training.config import cli
from training.config.flags import Config

ROOT = Path(__file__).parents[2]
TINY = ["--workers", "0", "--threads", "1", "--learning-starts", "80", "--updates-per-step", "0.25",
        "--batch-size", "16", "--hidden-width", "16", "--eval-every", "200", "--eval-episodes", "2",
        "--final-episodes", "2", "--log-every", "80", "--no-video", "--device", "cpu"]  # fmt: skip
OF_TIME = ("seconds", "steps_per_second", "updates_per_second", "time_frac_act", "time_frac_env", "time_frac_sample",
           "time_frac_update")  # fmt: skip


def run(*flags: str) -> int:
    """`python train.py FLAGS`, in this process; returns the exit code."""
    try:
        return train.main(flags)
    except SystemExit as leaving:  # tyro, on a flag that it does not know
        return int(leaving.code or 0)


def tiny(folder: Path | str, *flags: str) -> int:
    """A fresh tiny run of the push preset; later flags win."""
    return run(*TINY, "--run-dir", str(folder), *flags)


def tiny_config(*flags: str) -> Config:
    return dataclasses.replace(cli.parse([*TINY, *flags]), resume=None)


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, happen: Callable[[train.Run], Any]) -> None:
    """Have something happen to the next run right after `step`, before that step's rows and checkpoints."""
    after_step = train.Run.after_step

    def hooked(run: train.Run) -> None:
        if run.state.step == step:
            happen(run)
        after_step(run)

    monkeypatch.setattr(train.Run, "after_step", hooked)


def stop(run: train.Run, number: signal.Signals = signal.SIGTERM) -> None:
    """As `kill` from another terminal does."""
    os.kill(os.getpid(), number)


def metrics(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, as text, without what depends on the clock."""
    with open(folder / logger.CSV, newline="") as file:
        return [{k: v for k, v in row.items() if k not in OF_TIME} for row in csv.DictReader(file)]


def saved_state(folder: Path) -> dict[str, Any]:
    """The full checkpoint without the clock."""
    state = checkpoint.load(folder / checkpoint.RESUME, "cpu")
    for name in ("seconds", "row_seconds", "spent"):
        del state["training_state"][name]
    return state


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two nested states are not equal bit for bit."""
    if type(one) is not type(other):
        return [path]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [path]
        return [found for key in one for found in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [path]
        pairs = enumerate(zip(one, other, strict=True))
        return [found for i, pair in pairs for found in differences(*pair, f"{path}/{i}")]
    if isinstance(one, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        return [] if same and one.contiguous().view(-1).equal(other.contiguous().view(-1)) else [path]
    return [] if one == other else [path]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All that is in a folder: when it was changed, and what it holds."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def flat(text: str) -> str:
    """Text of the command line without line breaks and frames."""
    return " ".join(text.replace("│", " ").replace("|", " ").split())
