"""Checkpoints are whole or not there, and nothing but ours is loaded."""

from __future__ import annotations

import io
import os
import pickle
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.runs import run, tiny_config
from training import checkpoint, run_folder
from training.errors import RunFailed, UserError

FILE = Path("state.pt")
# Made here: a forked child must not start torch's threads.
STATES = [{"number": number, "tensor": torch.full((200_000,), number)} for number in range(20)]


def numbers_in(path: Path) -> set[float]:
    state = checkpoint.load(path, "cpu")
    return {state["number"], state["tensor"].min().item(), state["tensor"].max().item()}


def in_child(work: Callable[[], Any]) -> int:
    """Start `work` in another process; returns its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return child


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Writing past `room` bytes of any file fails, as the system itself makes it fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint() -> None:
    def save_forever() -> None:
        while True:
            for state in STATES:
                checkpoint.save(state, FILE)

    checkpoint.save(STATES[0], FILE)
    moments, torn = random.Random(0), 0
    for _ in range(12):
        written = FILE.stat().st_mtime_ns
        child = in_child(save_forever)
        while FILE.stat().st_mtime_ns == written:  # it is under way
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(numbers_in(FILE)) == 1
        torn += Path("state.pt.tmp").exists()
    assert torn > 0, "no kill came while a file was being written"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_kill_before_the_rename_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(STATES[1], FILE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        _, status = os.waitpid(in_child(lambda: checkpoint.save(STATES[2], FILE)), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL and Path("state.pt.tmp").exists()
    assert numbers_in(FILE) == {1}
    checkpoint.save(STATES[3], FILE)
    assert numbers_in(FILE) == {3} and not Path("state.pt.tmp").exists()


@pytest.mark.parametrize("room", [0, 600, 400_000], ids=["no room", "room for the header", "room for a half"])
def test_a_full_disk_leaves_the_old_one_and_clears_up(room: int) -> None:
    checkpoint.save(STATES[1], FILE)
    sentence = r"^state\.pt could not be saved \(\[Errno 27\] File too large\); anything saved before is intact\.$"
    with full_disk(room), pytest.raises(RunFailed, match=sentence):
        checkpoint.save(STATES[2], FILE)
    assert numbers_in(FILE) == {1} and os.listdir() == ["state.pt"]


class Trap:
    """A pickle that runs code."""

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.mkdir, ("sprung",)


def saved(state: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, **options)
    return file.getvalue()


GOOD = saved({"format": checkpoint.MODEL_FORMAT, "tensor": torch.ones(10_000)})
BAD = {
    "missing": (None, "does not exist"),
    "empty": (b"", "is corrupt or not a checkpoint"),
    "text": (b"hello\n", "is corrupt or not a checkpoint"),
    "truncated": (GOOD[: len(GOOD) // 2], "is corrupt or not a checkpoint"),
    "a flipped bit": (GOOD[:20_000] + bytes([GOOD[20_000] ^ 1]) + GOOD[20_001:], "is corrupt or not a checkpoint"),
    "another program's": (saved({"model": torch.ones(3)}), "is not a checkpoint of this program"),
    "a bare tensor": (saved(torch.ones(3)), "is not a checkpoint of this program"),
    "an older version's": (saved({"format": "pixel-push-1"}), "is of another version of this program"),
    "code": (pickle.dumps(Trap()), "is corrupt or not a checkpoint"),
    "code in torch's format": (saved({"format": checkpoint.MODEL_FORMAT, "trap": Trap()}), "is corrupt or not a check"),
    "code in torch's old format": (saved(Trap(), _use_new_zipfile_serialization=False), "is corrupt"),
}


@pytest.mark.parametrize(("content", "complaint"), BAD.values(), ids=BAD.keys())
def test_what_is_not_ours_is_refused_and_never_run(
    content: bytes | None, complaint: str, capsys: pytest.CaptureFixture
) -> None:
    if content is not None:
        FILE.write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        checkpoint.load(FILE, "cpu")

    Path("run/resume").mkdir(parents=True)
    Path("run", run_folder.CONFIG).write_text(tiny_config().to_json())
    if content is not None:
        Path("run", checkpoint.RESUME).write_bytes(content)
    assert run("--resume", "run") == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1
    assert not Path("sprung").exists()


def test_what_is_saved_comes_back_as_it_was() -> None:
    state = {"a": [1, 2.5, None], "b": {"c": (True, "text")}, "d": torch.arange(3, dtype=torch.float64)}
    checkpoint.save(state, FILE)
    loaded = checkpoint.load(FILE, "cpu")
    assert loaded.pop("format") == checkpoint.MODEL_FORMAT and loaded.pop("d").equal(state.pop("d"))
    assert loaded == state


def test_an_older_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """What resumes has a format of its own: it changes more often than what acts."""
    formats = {checkpoint.MODEL: "pixel-push-2", checkpoint.RESUME: checkpoint.MODEL_FORMAT}
    for name, older in formats.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(saved({"format": older, "step": 1}))
        with pytest.raises(UserError, match=rf"of another version of this program \({older}\)"):
            checkpoint.load(tmp_path / name, "cpu")
        checkpoint.save({"step": 2}, tmp_path / name)
        assert checkpoint.load(tmp_path / name, "cpu")["step"] == 2
