"""Worker processes that die, hang, raise or are left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import envs
from envs.rendering.watchdog import HANGS
from envs.workers import remote
from tests.envs import unruly
from tests.envs.unruly import EXIT, HANG, RAISE

ROOT = Path(__file__).parents[3]


@pytest.fixture
def env() -> Iterator[envs.GoalVectorEnv]:
    """Four unruly environments in two workers."""
    made = envs.make_vec("Unruly-v0", 4, workers=2, seed=0)
    made.reset()
    yield made
    made.close()


def processes(env: envs.GoalVectorEnv) -> list[subprocess.Popen[bytes]]:
    return [block.process for block in env._blocks._blocks]


def ask(env: envs.GoalVectorEnv, row: int, wish: float) -> np.ndarray:
    actions = np.zeros((env.num_envs, 2), np.float32)
    actions[row, 0] = wish
    return actions


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie that nobody waits for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_death(pids: list[int], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


@pytest.mark.parametrize("pending", [False, True])
def test_a_killed_worker_is_named(env: envs.GoalVectorEnv, pending: bool) -> None:
    victim = processes(env)[1]
    if pending:
        env.step_async(ask(env, 2, HANG))
    os.kill(victim.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(envs.WorkerError, match=r"Worker 1 \(environments 2 to 3 of Unruly-v0\) was killed by SIGKILL"):
        env.step_wait() if pending else env.step(ask(env, 0, 0))
    assert time.monotonic() - began < 5
    assert env.closed and all(process.poll() is not None for process in processes(env))
    env.close()


@pytest.mark.parametrize(("code", "said"), [(3, "ended with exit code 3"), (HANGS, "driver hangs: MUJOCO_GL=osmesa")])
def test_an_exiting_worker_is_named(env: envs.GoalVectorEnv, code: int, said: str) -> None:
    actions = ask(env, 1, EXIT)
    actions[:, 1] = code
    with pytest.raises(envs.WorkerError, match=f"Worker 0 .* {said}"):
        env.step(actions)


def test_a_worker_would_say_that_its_driver_hangs(env: envs.GoalVectorEnv) -> None:
    assert env.get_attr("exit_code_of_a_hang") == (HANGS,) * 4


def test_a_hanging_worker_is_named(env: envs.GoalVectorEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "HANG_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(envs.WorkerError, match=r"Worker 1 .* has not answered for 0\.3 s"):
        env.step(ask(env, 3, HANG))
    assert time.monotonic() - began < 5
    assert all(process.poll() is not None for process in processes(env))


def test_an_exception_is_carried_back(env: envs.GoalVectorEnv) -> None:
    said = r"^Environment 3 of Unruly-v0 in worker 1 raised ArithmeticError \(a deliberate failure\)\.$"
    with pytest.raises(envs.WorkerError, match=said):
        env.step(ask(env, 3, RAISE))
    assert env.failure is not None and "unruly.py" in env.failure.traceback
    assert env.closed


def test_an_exception_in_process_stays_what_it_is() -> None:
    env = envs.make_vec("Unruly-v0", 2, workers=0, seed=0)
    env.reset()
    with pytest.raises(ArithmeticError):
        env.step(ask(env, 1, RAISE))
    env.step(ask(env, 1, 0))
    env.close()


class Homebody(unruly.Unruly):
    """Can be built in one process only."""

    def __init__(self, home: int, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        if os.getpid() != home:
            raise OSError("not at home")


def test_environments_that_a_worker_cannot_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    gym.register(
        "Homebody-v0", "tests.envs.workers.test_workers:Homebody", kwargs={"home": os.getpid()}, max_episode_steps=5
    )
    with pytest.raises(envs.WorkerError, match=r"Worker 0 .* could not build its .*cannot be built \(not at home\)"):
        envs.make_vec("Homebody-v0", 2, workers=1)
    gym.register("Local-v0", lambda **kwargs: unruly.Unruly(**kwargs), max_episode_steps=5)
    with pytest.raises(ValueError, match=r"Local-v0 cannot be sent to a worker process .*: .* --workers 0 "):
        envs.make_vec("Local-v0", 2, workers=1)
    envs.make_vec("Local-v0", 2, workers=0).close()


def test_close_leaves_nothing_behind(env: envs.GoalVectorEnv) -> None:
    gc.collect()
    files = len(os.listdir("/proc/self/fd"))
    second = envs.make_vec("Unruly-v0", 2, workers=2)
    workers = processes(second)
    second.close()
    assert [process.returncode for process in workers] == [0, 0]
    assert len(os.listdir("/proc/self/fd")) <= files + 1  # the mapping's own, until the arrays go
    del second
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == files


def test_forgotten_environments_stop_their_workers() -> None:
    env = envs.make_vec("Unruly-v0", 2, workers=2)
    workers = processes(env)
    del env
    gc.collect()
    assert all(process.poll() is not None for process in workers)


def test_workers_ignore_ctrl_c(env: envs.GoalVectorEnv) -> None:
    for process in processes(env):
        os.kill(process.pid, signal.SIGINT)
    env.step(ask(env, 0, 0))


SCRIPT = """
import os, signal, sys
import torch
import envs
from tests.envs import unruly
unruly.register()  # not guarded by __name__: a worker must not run this script again
print("once", flush=True)
env = envs.make_vec("Unruly-v0", 2, workers=2, seed=0)
env.reset()
assert env.call("loaded", "torch") == (False, False)
print(*(block.process.pid for block in env._blocks._blocks), flush=True)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("ending", ["kill", "forget"])
def test_workers_leave_with_the_trainer(tmp_path: Path, ending: str) -> None:
    """However it ends; and they load neither torch nor the trainer's script, and print nothing."""
    script = tmp_path / "trainer.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script, ending], capture_output=True, text=True, env=environment, timeout=60)
    once, pids = done.stdout.splitlines()
    assert (once, done.stderr, done.returncode) == ("once", "", -signal.SIGKILL if ending == "kill" else 0)
    wait_for_death([int(pid) for pid in pids.split()])


def test_importing_envs_does_not_import_torch() -> None:
    code = "import sys, envs; assert 'torch' not in sys.modules; envs.reward_fn; assert 'torch' in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
