"""Interrupt runs at random and compare their numbers: `python -m scripts.interruptions OUT TIMES [PRESET --flags ...]`.

One run of train.py is left alone. Then TIMES others are interrupted, each at a random moment and in the next of five
ways (kill -9, Ctrl-C, SIGTERM, SIGHUP as of a closed terminal, a pipe whose reader leaves), and resumed. Every column
of metrics.csv, clocks aside, must come out as in the first run. OUT gets a CSV row per interruption, with the seconds
of work lost: the age of the checkpoint at the moment of the interruption, 0 if it was written afterwards. Exit code 1
if a number differs. Without a preset: the first 800 steps of reach, one thread.
"""

from __future__ import annotations

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
from typing import NamedTuple

from scripts.same_numbers import HERE, differences, rows_in

RUN = ("reach", "--total-steps", "800", "--log-every", "100", "--eval-every", "400", "--eval-episodes", "4",
       "--final-episodes", "2", "--no-video", "--threads", "1")  # fmt: skip
# How a run is to end: by our own handler, or, while it is still being built, by the signal itself.
ENDS = {"SIGKILL": (-9,), "SIGINT": (130, -2), "SIGTERM": (143, -15), "SIGHUP": (129, -1), "pipe": (141, -13)}
SAVED = Path("resume", "state.pt")
TRIES = 20  # moments, of which the first that is before the run's end is taken


class Interrupted(NamedTuple):
    exit_code: int
    resumable: bool
    seconds_lost: float


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """train.py, whose output is little enough to fit into the pipe unread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "train.py", *arguments]
    return subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def to_the_end(*arguments: str) -> None:
    process = start(*arguments)
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"train.py {' '.join(arguments)} ended with exit code {process.returncode}: {said.decode()}")


def interrupt(run: Path, arguments: tuple[str, ...], way: str, after: float) -> Interrupted | None:
    """Start a run and interrupt it after so many seconds. Returns None if it was over by then."""
    process = start(*arguments, "--run-dir", str(run))
    begun = time.time()
    try:
        code = process.wait(after)
    except subprocess.TimeoutExpired:
        pass
    else:
        if code:
            sys.exit(f"a run that nobody interrupted ended with exit code {code}.")
        return None
    interrupted = time.time()
    assert process.stdout is not None
    if way == "pipe":
        process.stdout.close()
    else:
        process.send_signal(signal.Signals[way])
    code = process.wait()
    if code == 0 and (run / "eval.json").exists():  # it had nothing left to print or to do
        return None
    if code not in ENDS[way]:
        assert process.stderr is not None
        sys.exit(f"{way} ended a run with exit code {code}: {process.stderr.read().decode()}")
    resumable = (run / SAVED).exists()
    saved = (run / SAVED).stat().st_mtime if resumable else begun
    return Interrupted(code, resumable, max(0.0, interrupted - saved))


def main(out: Path, times: int, arguments: tuple[str, ...]) -> int:
    if out.exists():
        sys.exit(f"{out} is there already: move it away, or name another file.")
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and every child would inherit that
    moments, wrong, resumed, most = random.Random(out.name), 0, 0, 0.0
    with tempfile.TemporaryDirectory() as name, out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("way", "seconds", "exit_code", "resumed", "seconds_lost", "differences"))
        whole, begun = Path(name, "whole"), time.monotonic()
        to_the_end(*arguments, "--run-dir", str(whole))
        length = time.monotonic() - begun
        for number in range(times):
            run, way = Path(name, f"run-{number}"), tuple(ENDS)[number % len(ENDS)]
            for _ in range(TRIES):
                after = moments.uniform(0.5, length)
                if (ended := interrupt(run, arguments, way, after)) is not None:
                    break
                shutil.rmtree(run)
            else:
                sys.exit(f"{TRIES} runs in turn were over before {way}, or did not heed it.")
            if ended.resumable:
                to_the_end("--resume", str(run))
            else:  # it was still being built
                shutil.rmtree(run, ignore_errors=True)
                to_the_end(*arguments, "--run-dir", str(run))
            found = differences(rows_in(run), rows_in(whole))
            wrong, resumed, most = wrong + bool(found), resumed + ended.resumable, max(most, ended.seconds_lost)
            row = (way, f"{after:.1f}", ended.exit_code, ended.resumable, f"{ended.seconds_lost:.1f}", "; ".join(found))
            table.writerow(row)
            file.flush()
            shutil.rmtree(run)
    print(f"{times} interruptions, {resumed} of them resumed and the others, still without a checkpoint, begun anew; "
          f"{wrong} changed a number; at most {most:.1f} s of work were lost: {out}")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or not sys.argv[2].isdecimal():
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]) or RUN))
