"""What is chosen for the user: by rule alone."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from typing import Any

import pytest
import torch

from tests.training.runs import ROOT, tiny, tiny_config
from training import evaluator as evaluators
from training import run_folder
from training.config import cli, resources
from training.config.presets import PRESETS
from training.trainer import Trainer

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("cores", "device", "pixels", "chosen"),
    [
        (2, CPU, True, (2, 2)), (2, CPU, False, (1, 1)), (1, CPU, True, (1, 0)), (1, CPU, False, (1, 0)),
        (16, CPU, True, (8, 16)), (16, GPU, True, (1, 15)),
    ],
)  # fmt: skip
def test_the_rule(cores: int, device: torch.device, pixels: bool, chosen: tuple[int, int]) -> None:
    assert resources.threads_and_workers(cores, device, pixels) == chosen


@pytest.mark.parametrize(
    ("script", "asked", "spins"),
    [("train", {}, "1000"), ("eval", {}, "1000"), ("train", {"OMP_WAIT_POLICY": "passive"}, "0")],
)
def test_threads_that_wait_spin_briefly(script: str, asked: dict[str, str], spins: str) -> None:
    """As the OpenMP library that torch loads says itself."""
    command = [sys.executable, f"{script}.py", "--version"]
    environment = {**os.environ, "OMP_DISPLAY_ENV": "verbose", **asked}
    for name in {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} - set(asked):
        environment.pop(name, None)
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stderr
    assert re.findall(r"GOMP_SPINCOUNT = '(\d+)'", said) == [spins]


def test_what_is_asked_for_stays() -> None:
    open_, asked = PRESETS["push-pixels"], dataclasses.replace(PRESETS["push-pixels"], threads=3, workers=0)
    assert resources.resolved(asked, CPU, 4) == asked
    assert resources.resolved(open_, CPU, 4) == dataclasses.replace(open_, threads=4, workers=4)


@pytest.mark.parametrize(
    ("preset", "threads", "device", "leaves"),
    [
        ("push-pixels", 2, CPU, True), ("push-pixels", 1, CPU, False), ("push-pixels", 2, GPU, False),
        ("push-pixels-chapter", 2, CPU, False), ("push", 2, CPU, False),
    ],
)  # fmt: skip
def test_when_a_core_is_left_to_the_environments(preset: str, threads: int, device: torch.device, leaves: bool) -> None:
    assert resources.leaves_a_core(dataclasses.replace(PRESETS[preset], threads=threads), device) == leaves


def test_workers_give_way_and_threads_are_as_asked_for_around_each_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluators.accelerate, "has_bfloat16", lambda device: True)
    before, own = torch.get_num_threads(), os.getpriority(os.PRIO_PROCESS, 0)
    trainers: list[Trainer] = []
    try:
        for updates in ("3", "1"):
            trainers.append(trainer_of("--updates-per-encoding", updates, "--threads", "2"))
        leaving, other = trainers
        assert niceness(leaving) == min(19, own + 15) and niceness(other) == own
        seen: list[int] = []
        update = leaving.learner.sac.update

        def watched(*arguments: Any) -> Any:
            seen.append(torch.get_num_threads())
            return update(*arguments)

        monkeypatch.setattr(leaving.learner.sac, "update", watched)
        leaving.learner.update(leaving.eager_updates.batches(1)[0])
        assert seen == [2, 1, 1] and torch.get_num_threads() == 2
    finally:
        for trainer in trainers:
            trainer.close()
        torch.set_num_threads(before)


def trainer_of(*flags: str) -> Trainer:
    """After a few steps from pixels, with one worker."""
    small = ["--num-envs", "2", "--workers", "1", "--batch-size", "4", "--buffer-size", "400", "--eval-episodes", "2"]
    trainer = Trainer(cli.parse(["push-pixels", *small, "--final-episodes", "2", "--device", "cpu", *flags]))
    trainer.start()
    for _ in range(3):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
    return trainer


def niceness(trainer: Trainer) -> int:
    """The least nice of all threads of the training environments' workers."""
    pids = [block.process.pid for block in trainer.train_envs._blocks._processes]
    tasks = [int(task) for pid in pids for task in os.listdir(f"/proc/{pid}/task")]
    assert len(tasks) > len(pids)  # a software renderer has some of its own
    return min(os.getpriority(os.PRIO_PROCESS, task) for task in tasks)


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
