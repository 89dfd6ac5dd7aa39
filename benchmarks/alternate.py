"""Contenders measured in turn: each in a process of its own, one at a time, round after round.

A process each, because what makes one side fast must not reach the other: the allocator's settings, the precision of
matrix products and the number of threads belong to a process. In turn, because a machine is not as fast now as it was
a minute ago: whatever slows a round slows it for all, and a ratio is taken within each round before the median.
No torch is imported here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol

Counts = dict[str, float]
"""Counts by name, and the time that they took as "seconds"."""
Rates = dict[str, list[float]]
"""Counts per second of each round, by name."""


class Contender(Protocol):
    """A thing to measure, which can be run for a while; building it is not timed."""

    def run(self, seconds: float) -> Counts: ...

    def close(self) -> None: ...


class ContenderFailed(RuntimeError):
    """A contender raised or died; the message holds its traceback."""


class Remote:
    """A contender in its own process.

    Args:
        name: for messages.
        factory, arguments: build the contender in its process.
    """

    def __init__(self, name: str, factory: Callable[..., Contender], arguments: Mapping[str, Any]) -> None:
        self.name = name
        # Spawned: a fork would inherit torch, whose threads' settings are read once, when it is loaded.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, factory, dict(arguments)))
        self._process.start()
        theirs.close()  # so that a process that died closes the pipe

    def run(self, seconds: float) -> Counts:
        """Run the contender for about `seconds`."""
        self._pipe.send(seconds)
        return self.result()

    def result(self) -> Counts:
        """Wait for the next answer: first that the contender is built, then one per `run`. Raises ContenderFailed."""
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise ContenderFailed(f"{self.name} died with exit code {self._process.exitcode}.") from None
        if isinstance(answer, str):
            raise ContenderFailed(f"{self.name} failed:\n{answer}")
        return answer

    def close(self) -> None:
        self._pipe.close()  # the contender's process reads the end of its pipe and leaves

    def join(self) -> None:
        self._process.join()


def _serve(pipe: Connection, factory: Callable[..., Contender], arguments: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which closes the pipe
    os.dup2(2, 1)  # standard output is the parent's, for its JSON
    contender = None
    try:
        contender = factory(**arguments)
        pipe.send({})
        with contextlib.suppress(EOFError):
            while True:
                pipe.send(contender.run(pipe.recv()))
    except ConnectionError:  # the parent is gone
        pass
    except Exception:
        pipe.send(traceback.format_exc())
    finally:
        if contender is not None:
            contender.close()


def alternate(
    contenders: Mapping[str, tuple[Callable[..., Contender], Mapping[str, Any]]],
    *,
    rounds: int,
    seconds: float,
    warmup_seconds: float,
) -> dict[str, Rates]:
    """Build all contenders, warm each up, then run them in turn. Returns the rates of each."""
    remotes: list[Remote] = []
    rates: dict[str, Rates] = {name: {} for name in contenders}
    try:
        for name, (factory, arguments) in contenders.items():
            remotes.append(Remote(name, factory, arguments))
        for remote in remotes:
            remote.result()
        for remote in remotes:
            remote.run(warmup_seconds)
        for number in range(rounds):
            for remote in remotes:
                counts = remote.run(seconds)
                elapsed = counts.pop("seconds")
                for key, count in counts.items():
                    rates[remote.name].setdefault(key, []).append(count / elapsed)
                shown = ", ".join(
                    f"{key} {values[-1]:,.{0 if values[-1] >= 100 else 2}f}/s"
                    for key, values in rates[remote.name].items()
                )
                print(f"  round {number + 1} of {rounds}: {remote.name}: {shown}", file=sys.stderr, flush=True)
    finally:
        for remote in remotes:
            remote.close()
        for remote in remotes:
            remote.join()
    return rates


def repeat(work: Callable[[], Any], seconds: float, wait: Callable[[], None] = lambda: None) -> tuple[int, float]:
    """Repeat `work` for `seconds`, then `wait` for queued work. Returns the count and the elapsed seconds."""
    begun = time.perf_counter()
    count = 0
    while time.perf_counter() - begun < seconds:
        work()
        count += 1
    wait()
    return count, time.perf_counter() - begun


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Ratio of each round, ours / theirs."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def median_ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over the rounds of ours / theirs."""
    return statistics.median(ratios(ours, theirs))
