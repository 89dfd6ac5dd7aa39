"""Several processes that learn as one, with gloo."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.runs import ROOT, TINY, differences, metrics
from training import checkpoint, logger
from training.config.presets import PRESETS
from training.errors import UserError
from training.ranks import Ranks

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
FLAGS = [*TINY, "--save-every", "200", "--run-dir", "run", "--learning-rate-decay", "0"]  # prolonged, below


def together(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """`torchrun --nproc-per-node 2 ARGUMENTS`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*TORCHRUN, *arguments], env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def train_together(*flags: str) -> subprocess.CompletedProcess[str]:
    return together(str(ROOT / "train.py"), *flags)


def saved(run: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each of two ranks saved."""
    first = checkpoint.load(Path(run) / checkpoint.RESUME, "cpu")
    (second,) = (Path(run) / "resume").glob("rank-1-*.pt")
    return first, checkpoint.load(second, "cpu")


@pytest.mark.parametrize("routing", ["critic", "both"])
def test_two_ranks_learn_what_one_with_the_whole_batch_does(routing: str) -> None:
    done = together(str(ROOT / "tests/training/two_ranks.py"), routing)
    assert done.returncode == 0, done.stderr
    assert "rank 0: alike" in done.stdout and "rank 1: alike" in done.stdout


def test_a_run_of_two_ranks_goes_on_bit_for_bit_and_with_one_in_a_sentence() -> None:
    whole = train_together(*FLAGS, "--total-steps", "400", "--run-dir", "whole")
    assert whole.returncode == 0, whole.stderr
    first, second = saved("whole")
    for name in ("agent", "optimizers"):  # networks with normalisers; those of critic and actor
        assert differences(first["trainer"]["learner"][name], second["trainer"]["learner"][name]) == []
    ring, other = first["trainer"]["ring"], second["trainer"]["ring"]
    assert tuple(ring["shape"]) == (125_000, 4)  # of a million observations of 8 environments
    assert not ring["tables"]["vector"].equal(other["tables"]["vector"])  # episodes of its own

    assert train_together(*FLAGS, "--total-steps", "240").returncode == 0
    resumed = train_together("--resume", "run", "--total-steps", "400")
    assert resumed.returncode == 0, resumed.stderr
    for one, expected in zip(saved("run"), (first, second), strict=True):
        assert differences(one["trainer"], expected["trainer"]) == []

    alone = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--resume", "run", "--total-steps", "480"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    assert "The run had 2 ranks and has 1 now: its episodes were dealt out anew" in alone.stdout
    state = checkpoint.load(Path("run") / checkpoint.RESUME, "cpu")["trainer"]["ring"]
    assert tuple(state["shape"]) == (125_000, 8) and not list(Path("run/resume").glob("rank-*"))
    rows = len(ring["tables"]["vector"]) // 4
    vectors = state["tables"]["vector"].unflatten(0, (-1, 8))
    for lane, part in ((slice(0, 4), ring), (slice(4, 8), other)):
        assert vectors[:rows, lane].equal(part["tables"]["vector"].unflatten(0, (-1, 4)))


def test_a_rank_that_dies_ends_the_job_with_a_sentence_and_the_run_goes_on() -> None:
    flags = [*FLAGS, "--total-steps", "1000000", "--save-every", "80"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    job = subprocess.Popen(
        [*TORCHRUN, str(ROOT / "train.py"), *flags], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (Path("run", logger.CSV).exists() and len(metrics(Path("run"))) > 3) and time.monotonic() < until:
        time.sleep(0.1)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    environments = {child: Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children}
    (last,) = [child for child, variables in environments.items() if b"RANK=1" in variables]
    os.kill(int(last), signal.SIGKILL)
    _, said = job.communicate(timeout=60)
    assert job.returncode != 0
    assert "train.py: rank 0 of 2 has lost the others" in said and "continue with --resume" in said
    step = checkpoint.load(Path("run") / checkpoint.RESUME, "cpu")["training_state"]["step"]
    assert train_together("--resume", "run", "--total-steps", str(step + 80)).returncode == 0


def test_each_rank_takes_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    any_gpu, second = torch.device("cuda"), torch.device("cuda:1")
    assert Ranks(1, 2, 2, local_rank=1).device(any_gpu) == second and current == [second]
    assert Ranks().device(second) == second and current == [second] * 2  # one alone, of those of the machine
    assert Ranks().device(any_gpu) == any_gpu and Ranks(1, 2, 2, local_rank=1).device(torch.device("cpu")).type == "cpu"
    assert len(current) == 2
    with pytest.raises(UserError, match="--device cuda:1 is one for 2 ranks: leave it to auto"):
        Ranks(1, 2, 2, local_rank=1).device(second)
    with pytest.raises(UserError, match="3 ranks need as many GPUs, and there are 2"):
        Ranks(2, 3, 3, local_rank=2).device(any_gpu)


def test_what_cannot_be_divided_is_refused_once() -> None:
    done = train_together(*FLAGS, "--num-envs", "5", "--workers", "0")
    assert done.returncode != 0 and not Path("run").exists()
    sentence = "train.py: --num-envs 5 cannot be divided among 2 ranks: choose a multiple of 2."
    assert done.stderr.count(sentence) == 1
    with pytest.raises(UserError, match="--batch-size 256 cannot be divided among 3 ranks"):
        Ranks(0, 3).local_config(dataclasses.replace(PRESETS["push"], num_envs=9))
