"""Interrupt runs at random and compare their numbers: `python -m scripts.interruptions OUT TIMES [PRESET --flags ...]`.

One run of train.py is left alone. Then TIMES others are interrupted, each at a random moment and in the next of five
ways (kill -9, Ctrl-C, SIGTERM, a terminal that is closed, a pipe whose reader leaves), and resumed. Every column of
metrics.csv, clocks aside, must come out as in the first run. OUT gets a CSV row per interruption; exit code 1 if a
number differs. Without a preset: the first 800 steps of reach, one thread.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.same_numbers import HERE, differences

RUN = ("reach", "--total-steps", "800", "--log-every", "100", "--eval-every", "400", "--eval-episodes", "4",
       "--final-episodes", "2", "--no-video", "--threads", "1")  # fmt: skip
WAYS = ("SIGKILL", "SIGINT", "SIGTERM", "SIGHUP", "pipe")
SAVED = Path("resume", "state.pt")


def start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        cwd=HERE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def to_the_end(*arguments: str) -> None:
    process = start(*arguments)
    process.communicate()
    if process.returncode:
        sys.exit(f"train.py {' '.join(arguments)} ended with exit code {process.returncode}.")


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def interrupt(run: Path, arguments: tuple[str, ...], way: str, after: float) -> tuple[int, float] | None:
    """Start a run and interrupt it after so many seconds.

    Returns:
        its exit code, and the age in seconds of its latest checkpoint at the interruption: 0 if saved later, the time
            since the start if there is none. None if the run ended by itself.
    """
    begun = time.time()
    process = start(*arguments, "--run-dir", str(run))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
        return None
    interrupted = time.time()
    assert process.stdout is not None
    if way == "pipe":
        process.stdout.close()
        process.wait()
    else:
        process.send_signal(signal.Signals[way])
        process.communicate()
    if (run / "eval.json").exists():  # too late: it was about to end
        return None
    saved = (run / SAVED).stat().st_mtime if (run / SAVED).exists() else begun
    return process.returncode, max(0.0, interrupted - saved)


def main(out: Path, times: int, arguments: tuple[str, ...]) -> int:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # against nohup's ignoring, which every child would inherit
    moments, wrong = random.Random(0), 0
    with tempfile.TemporaryDirectory() as name, out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("way", "seconds", "exit_code", "resumed", "seconds_lost", "differences"))
        whole, begun = Path(name, "whole"), time.monotonic()
        to_the_end(*arguments, "--run-dir", str(whole))
        length, done = time.monotonic() - begun, 0
        while done < times:
            run, way, after = Path(name, f"run-{done}"), WAYS[done % len(WAYS)], moments.uniform(0.5, length)
            ended = interrupt(run, arguments, way, after)
            if ended is None:
                shutil.rmtree(run)
                continue
            resumed = (run / SAVED).exists()
            if resumed:
                to_the_end("--resume", str(run))
            else:  # it was still being built
                shutil.rmtree(run, ignore_errors=True)
                to_the_end(*arguments, "--run-dir", str(run))
            found = differences(rows_of(run), rows_of(whole))
            wrong, done = wrong + bool(found), done + 1
            table.writerow((way, f"{after:.1f}", ended[0], resumed, f"{ended[1]:.1f}", "; ".join(found)))
            file.flush()
            shutil.rmtree(run)
    print(f"{times} interruptions, {wrong} of them changed a number: {out}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or not sys.argv[2].isdecimal():
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]) or RUN))
