"""Signals to a run, as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.training.runs import ROOT, TINY, metrics, saved_state
from tests.training.test_commands import AGAIN, call, start, wait_for_rows
from training import checkpoint, logger, run_folder


def test_signals_stop_with_a_checkpoint() -> None:
    """While worker processes step, for Ctrl-C, SIGTERM and a terminal that is closed; then one of them goes on."""
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
    seldom = ("--save-every", "1000000", "--eval-every", "1000000")  # what a signal would wait for, and say so
    flags = ("reach", *TINY, "--total-steps", "1000000", *seldom, "--workers", "1", "--run-dir")
    ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, which a child would inherit
    processes = {number: start("train.py", *flags, number.name) for number in codes}
    signal.signal(signal.SIGHUP, ignored)
    deadline = time.monotonic() + 120
    for number, process in processes.items():
        while not Path(number.name, logger.CSV).exists() or len(metrics(Path(number.name))) < 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
    for number, process in processes.items():
        out, error = process.communicate(timeout=120)
        step = saved_state(Path(number.name))["training_state"]["step"]
        assert (process.returncode, error) == (codes[number], "")
        assert out.endswith(f"stopped at step {step}; continue with: {AGAIN} {number.name}\n")
        assert step >= int(metrics(Path(number.name))[-1]["step"]) > 0
        assert checkpoint.load(Path(number.name, checkpoint.MODEL), "cpu")["step"] == step  # can be evaluated as it is
    code, _, error = call("train.py", "--resume", "SIGHUP", "--total-steps", str(step + 80))
    assert (code, error) == (0, "") and saved_state(Path("SIGHUP"))["training_state"]["step"] == step + 80


def test_a_second_signal_does_not_wait_for_an_evaluation() -> None:
    flags = ("--total-steps", "1000000", "--eval-every", "400", "--eval-episodes", "100000", "--run-dir", "run")
    process = start("train.py", "reach", *TINY, *flags)
    assert process.stderr is not None
    wait_for_rows(process, 4)  # the next one has the evaluation, which takes minutes
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "stopping after the evaluation; once more to stop at once\n"
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_a_signal_in_the_final_evaluation_says_how_to_repeat_it() -> None:
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}
    flags = ("reach", *TINY, "--total-steps", "160", "--final-episodes", "100000", "--run-dir")
    processes = {number: start("train.py", *flags, number.name) for number in codes}
    for number, process in processes.items():
        assert process.stdout is not None
        while "evaluating 100000" not in process.stdout.readline():
            assert process.poll() is None
        for _ in range(2):  # as from a closed terminal and from experiments.run
            process.send_signal(number)
            time.sleep(0.01)
    for number, process in processes.items():
        out, error = process.communicate(timeout=120)
        assert (process.returncode, error) == (codes[number], "")
        assert out.endswith(f"stopped after training; evaluate and film with: {AGAIN} {number.name}\n")
        assert saved_state(Path(number.name))["training_state"]["step"] == 160


def test_a_signal_before_the_first_step_is_answered() -> None:
    """While images are collected for an autoencoder, which takes minutes."""
    critic = (
        "--routing",
        "critic",
        "--goal-loss",
        "0",
        "--goal-input",
        "off",
        "--no-goal-motion",
        "--prior-ratio",
        "0",
    )
    latent = ("--goals", "latent", "--latent-model", "spatial", "--latent-frames", "20000", "--buffer-size", "1000")
    process = start("train.py", "push-pixels", *critic, *latent, "--workers", "0", "--run-dir", "run")
    assert process.stdout is not None
    while "of 20000 images" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (143, "")
    assert [path.name for path in Path("run").iterdir()] == [run_folder.LOCK], "free for another start"
    assert out.endswith("stopped before the first step: nothing was saved, and nothing has changed.\n")


def test_a_signal_that_comes_twice_is_one_and_nohup_is_heeded() -> None:
    """A terminal sends Ctrl-C to a whole group, and experiments.run passes it on."""
    line = 'trap \'\' HUP; exec "$0" "$@"'  # what nohup does
    flags = ("--total-steps", "1000000", "--save-every", "1000000", "--run-dir", "run")
    command = ["sh", "-c", line, sys.executable, str(ROOT / "train.py"), "reach", *TINY, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_rows(process, 3)
    process.send_signal(signal.SIGHUP)
    wait_for_rows(process, len(metrics(Path("run"))) + 2)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    process.communicate()
    step = saved_state(Path("run"))["training_state"]["step"]
    assert process.returncode == 130 and step >= int(metrics(Path("run"))[-1]["step"]) > 0
