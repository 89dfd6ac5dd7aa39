"""The worker process: it waits for a command on its pipe, runs it on its block of environments, and answers.

Loaded by `remote.py` in a fresh interpreter, with thread counts of 1 and without torch.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import signal
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.failure import Failure, Unusable, reason
from envs.infos import picklable
from envs.rendering import watchdog
from envs.rendering.cameras import CameraConfig
from envs.workers.block import EnvBlock

if TYPE_CHECKING:
    from envs.rendering.server import RenderServer

DONE = b"d"  # the answer that says nothing but "finished"
STEP = (b"0", b"1")  # step into slot 0 or 1: the only commands that are not pickled


def main(pipe: int, memory: int, turn: int) -> None:
    """Serve until the pipe closes, which means that the trainer is done, or dead.

    Args:
        pipe: file descriptor of this worker's end of a duplex pipe.
        memory: file descriptor of the shared memory.
        turn: file descriptor of this worker's end of the pipe from workers to render server.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides when to stop
    watchdog.exit_code = watchdog.HANGS  # so that the trainer knows why
    connection = Connection(pipe)
    with contextlib.suppress(EOFError, ConnectionError):
        _serve(connection, memory, turn)


def _serve(connection: Connection, memory: int, turn: int) -> None:
    block: EnvBlock | RenderServer | None = None
    while True:
        message = connection.recv_bytes()
        try:
            if block is None:
                block = _build(memory, turn, *pickle.loads(message))
                reply = DONE
            elif message in STEP:
                answer = block.step(STEP.index(message))
                reply = _with_infos(answer)
            else:
                command, args = pickle.loads(message)
                answer = getattr(block, command)(*args)
                reply = _with_infos(answer) if command == "reset" else _answered(answer)
        except Exception as error:
            row = None if block is None else block.current
            told: Any = reason(error) if isinstance(error, Unusable) else f"{type(error).__name__} ({reason(error)})"
            told = told if row is None else Failure.of(error, row)
            reply = pickle.dumps(("unbuilt" if block is None else "error", told))
        connection.send_bytes(reply)


def _answered(answer: Any) -> bytes:
    return DONE if answer is None else pickle.dumps(("ok", answer))


def _with_infos(infos: Any) -> bytes:
    """As `_answered`, leaving out what cannot be sent: of an info, only the success flags are needed."""
    try:
        return _answered(infos)
    except Exception:  # each class has its own
        return _answered(picklable(infos))


def _build(
    memory: int,
    turn: int,
    spec: Any,
    rows: range,
    dtype: np.dtype[np.void],
    view: CameraConfig | None,
    renders_for: int | None,
) -> EnvBlock | RenderServer:
    shared = mmap.mmap(memory, dtype.itemsize)
    os.close(memory)
    if renders_for is not None:
        from envs.rendering.server import RenderServer  # GL is loaded only where something is rendered

        assert view is not None
        return RenderServer(spec, rows, np.ndarray((), dtype, buffer=shared), view, turn, renders_for)
    return EnvBlock(spec, rows, np.ndarray((), dtype, buffer=shared), view, turn)
