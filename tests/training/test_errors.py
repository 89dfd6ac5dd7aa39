"""How commands end, and what they take: names that are no text, memory that is not there, Ctrl-C."""

from __future__ import annotations

import errno
import io
import mmap
import os
import re
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import eval as evaluation
import train
from analysis import compare, feature_stats
from experiments import plot
from experiments import run as experiment
from training.config import memory
from training.errors import guarded, ran_out_of_memory

NO_TEXT = os.fsdecode(b"a\xff")  # as Python hands it to a command


@pytest.mark.parametrize(
    ("main", "line", "name"),
    [
        (train.main, ["--run-dir", NO_TEXT], "train.py"),
        (train.main, ["push", "--total-steps", "2000", "--resume", NO_TEXT], "train.py"),
        (evaluation.main, [NO_TEXT], "eval.py"),
        (evaluation.main, ["run", "--video", f"{NO_TEXT}.mp4"], "eval.py"),
        (compare.main, [NO_TEXT], "analysis.compare"),
        (plot.main, ["push-state", "--out", f"{NO_TEXT}.png"], "experiments.plot"),
        (feature_stats.main, [NO_TEXT], "analysis.feature_stats"),
        (experiment.main, ["push-state", "--runs", NO_TEXT], "experiments.run"),
        (experiment.main, ["push-state", "--", "--env-id", NO_TEXT], "experiments.run"),
    ],
)
def test_a_name_that_is_no_text_is_refused_before_anything_is_written(
    main: Callable[[Sequence[str]], int], line: list[str], name: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(line) == 2 and os.listdir() == []
    said = capsys.readouterr()
    assert re.fullmatch(rf"{name}: b'a\\xff(\.mp4|\.png)?' has bytes that are no UTF-8: .*\n", said.err), said.err
    assert said.out == ""


def fill_gpu() -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")  # a GPU's own words


def test_what_a_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert guarded("command", lambda: print(f"ü{NO_TEXT}") or 0) == 0
    assert terminal.buffer.getvalue() == b"\\xfca\\udcff\n"


@pytest.mark.parametrize(
    ("happen", "is_memory"),
    [
        (lambda: torch.empty(1 << 60, dtype=torch.uint8), True),
        (lambda: np.empty(1 << 60, np.uint8), True),
        (lambda: bytearray(1 << 60), True),
        (lambda: mmap.mmap(-1, 1 << 60), True),
        (fill_gpu, True),
        (lambda: torch.zeros(2) + torch.zeros(3), False),
        (lambda: os.stat("missing"), False),
        (lambda: int("memory"), False),
    ],
    ids=["torch", "numpy", "Python", "the system", "a GPU", "shapes", "a file", "a word"],
)
def test_memory_that_ran_out_is_known_by_what_is_raised(happen: Callable[[], object], is_memory: bool) -> None:
    with pytest.raises(Exception) as raised:
        happen()
    assert ran_out_of_memory(raised.value) is is_memory


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError(), 1, "command: memory ran out: free some, or "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "command: memory ran out: free some, or "),
        (OSError(errno.ENOSPC, "full"), 1, "command: a file could not be read or written ([Errno 28] full); "),
    ],
)
def test_every_command_ends_with_a_sentence(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture
) -> None:
    def work() -> int:
        raise error

    assert guarded("command", work) == code
    found = capsys.readouterr().err
    assert found.startswith(said) and found.count("\n") == bool(said)


def test_what_nobody_foresaw_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded("command", lambda: 1 // 0)


def test_a_limit_of_the_process_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ulimit -v`: 64 MiB more than what /proc/self/status says is taken."""
    lines = Path("/proc/self/status").read_text().splitlines()
    taken = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmSize:"))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (taken + (64 << 20), resource.RLIM_INFINITY))
    assert (48 << 20) < memory.available_bytes(torch.device("cpu")) <= 64 << 20
