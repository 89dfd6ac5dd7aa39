"""Processes that render: one that renders for all workers, and renderers that die or hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import envs
from envs.rendering.watchdog import HANGS
from envs.workers import remote


def test_a_render_process_renders_while_the_caller_does_something_else() -> None:
    vector = envs.make_vec("FetchPush-v4", 2, view=envs.CameraConfig(("close",), one_process=True), workers=2, seed=0)
    vector.reset()
    slots = vector._blocks.memory["slots"]["observation"][envs.PIXELS]
    slots[...] = 0
    vector.step_async(np.zeros((2, 4), np.float32))
    deadline = time.monotonic() + 20
    while not slots.any(axis=(2, 3, 4)).any(axis=0).all() and time.monotonic() < deadline:
        time.sleep(0.01)
    rendered = slots.any(axis=(2, 3, 4)).any(axis=0)
    vector.step_wait()
    vector.close()
    assert rendered.all()


def test_a_render_process_that_dies_is_named() -> None:
    vector = envs.make_vec("FetchPush-v4", 2, view=envs.CameraConfig(("close",), one_process=True), workers=2, seed=0)
    vector.reset()
    *workers, render_server = (block.process for block in vector._blocks._processes)
    for worker in workers:  # they find nobody to tell that their poses are there
        worker.send_signal(signal.SIGSTOP)
    vector.step_async(np.zeros((2, 4), np.float32))
    render_server.kill()
    render_server.wait()
    for worker in workers:
        worker.send_signal(signal.SIGCONT)
    with pytest.raises(envs.WorkerError, match=r"render process .* was killed by SIGKILL"):
        vector.step_wait()


def test_a_dead_or_hanging_renderer_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "RENDER_SECONDS", 5.0)
    for number, said in (
        (signal.SIGKILL, "was killed by SIGKILL"),
        (signal.SIGSTOP, "has not answered for 5 s.*MUJOCO_GL"),
    ):
        vector = envs.make_vec("FetchReach-v4", 2, view=envs.CameraConfig(one_process=True), workers=0, seed=0)
        vector.reset()
        render_server = vector._blocks._render_server
        assert render_server is not None
        os.kill(render_server.process.pid, number)
        with pytest.raises(envs.WorkerError, match=f"The render process .environments 0 to 1 of FetchReach-v4. {said}"):
            for _ in range(3):
                vector.step(np.zeros((2, 4), np.float32))
        assert render_server.process.poll() is not None  # none is left behind


def test_a_driver_that_hangs_in_this_process_ends_it() -> None:
    """As a call into GL does that never returns: without the interpreter's lock."""
    hangs = """
import time, numpy, mujoco, envs
from envs.rendering import watchdog
vector = envs.make_vec("FetchReach-v4", 1, view=envs.CameraConfig(), workers=0, seed=0)
vector.reset()
watchdog.SECONDS, mujoco.mjr_readPixels = 1.0, lambda *_: time.sleep(60)
vector.step(numpy.zeros((1, 4), numpy.float32))
"""
    done = subprocess.run([sys.executable, "-c", hangs], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("An image was not rendered within 1 seconds: the graphics")


def test_a_process_that_was_stopped_in_the_middle_of_a_image_goes_on() -> None:
    renders = """
import time
from envs.rendering import watchdog
watchdog.SECONDS = 1.0
with watchdog.WATCHDOG:
    print("rendering", flush=True)
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
"""
    process = subprocess.Popen([sys.executable, "-c", renders], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0


@pytest.mark.parametrize(("worker", "seconds", "code"), [(False, 60, 1), (True, 3, 0)])
def test_a_driver_that_hangs_with_the_interpreters_lock_ends_it_too(worker: bool, seconds: int, code: int) -> None:
    """But not a worker: its trainer does, which says why."""
    hangs = f"""
import ctypes
from envs.rendering import watchdog
watchdog.SECONDS, watchdog.exit_code = 1.0, {HANGS if worker else 1}
with watchdog.creating():
    ctypes.PyDLL(None).sleep({seconds})
"""
    done = subprocess.run([sys.executable, "-c", hangs], capture_output=True, text=True, timeout=50)
    assert done.returncode == code
    assert "Timeout (0:00:01)!" in done.stderr
