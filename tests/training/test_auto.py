"""What is chosen for the user: by rule alone."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
import torch

from envs.remote import NICENESS
from tests.training.runs import tiny, tiny_config
from training import auto, run_folder
from training.presets import PRESETS
from training.session import Session

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


@pytest.mark.parametrize(
    ("preset", "threads", "device", "chosen"),
    [
        ("push-pixels", 2, CPU, 1), ("push-pixels", 8, CPU, 7), ("push-pixels", 1, CPU, None),
        ("push-pixels", 2, GPU, None), ("push-pixels-chapter", 2, CPU, None), ("push", 2, CPU, None),
    ],
)  # fmt: skip
def test_further_updates_of_the_heads_leave_a_core_to_the_environments(
    preset: str, threads: int, device: torch.device, chosen: int | None
) -> None:
    assert auto.head_threads(dataclasses.replace(PRESETS[preset], threads=threads), device) == chosen


def test_workers_give_way_and_threads_are_as_asked_for_around_each_update(monkeypatch: pytest.MonkeyPatch) -> None:
    before, own = torch.get_num_threads(), os.getpriority(os.PRIO_PROCESS, 0)
    shared, other = (session_of("--head-updates", updates, "--threads", "2") for updates in ("3", "1"))
    try:
        assert niceness(shared) == [NICENESS] > [own]
        assert niceness(other) == [own]
        seen: list[int] = []
        monkeypatch.setattr(shared.agent, "update_heads", lambda *_: seen.append(torch.get_num_threads()))
        shared.agent.update(*3 * shared.minibatches(1)[0])
        assert seen == [2, 1, 1] and torch.get_num_threads() == 2
    finally:
        shared.close()
        other.close()
        torch.set_num_threads(before)


def session_of(*flags: str) -> Session:
    """After a few steps, with one worker."""
    session = Session(tiny_config("--workers", "1", "--total-steps", "400", *flags))
    session.start()
    for _ in range(3):
        session.collector.begin_step(explore_only=True)
        session.collector.end_step()
    return session


def niceness(session: Session) -> list[int]:
    """Of each of the training environments' workers."""
    pids = [block.process.pid for block in session.train_envs._blocks._processes]
    return [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids]


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
