"""What is compiled, without a compiler."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from agent.networks import MLP
from benchmarks import alternate, compiled, compiling
from benchmarks.settings import Settings

SETTINGS = Settings(
    obs="state", env_id="FetchReach-v4", num_envs=2, batch_size=16, updates_per_step=0.125, learning_starts=10,
    buffer_size=100, prefill=0, transitions=0, threads=1, cores=1, device="cpu",
)  # fmt: skip


@pytest.mark.parametrize(("what", "count"), [("networks", 5), ("update", 1)])
def test_what_is_compiled_is_what_updates(what: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def stands_for_compile(work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            called.append(what)
            return work(*arguments)

        return counted

    monkeypatch.setattr(torch, "compile", stands_for_compile)
    monkeypatch.setattr(MLP, "compile", lambda self: setattr(self, "forward", stands_for_compile(self.forward)))
    updating = compiling.Compiled(SETTINGS, "off", None, what)
    updating.update()
    assert len(called) >= count
    updating.close()


def test_the_report_is_one_json_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(contenders: dict[str, Any], **_: Any) -> dict[str, alternate.Rates]:
        return {name: {"updates": [100.0, 200.0, 400.0]} for name in contenders}

    monkeypatch.setattr(compiled, "alternate", measured)
    assert compiled.main(["push", "--json"]) == 0
    contenders = json.loads(capsys.readouterr().out)["contenders"]
    assert [one["updates_per_second"] for one in contenders.values()] == [200.0] * 3
    assert compiled.main(["push"]) == 0
    assert capsys.readouterr().out.count(" 5.00 ms") == 3
