"""What is compiled, without a compiler."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.networks import MLP
from benchmarks import alternate, compiled, compiling
from benchmarks.settings import Settings

SETTINGS = Settings(
    obs="state", env_id="FetchReach-v4", num_envs=2, batch_size=16, updates_per_step=0.125, learning_starts=10,
    buffer_size=100, prefill=0, transitions=0, threads=1, cores=1, device="cpu",
)  # fmt: skip


def test_what_is_compiled_is_what_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[int] = set()

    def stands_for_compile(network: MLP) -> None:
        network.register_forward_hook(lambda *_: called.add(id(network)))

    monkeypatch.setattr(MLP, "compile", stands_for_compile)
    updating = compiling.Compiled(SETTINGS, "off")
    updating.update()
    assert len(called) == 5  # actor, two critics, two target critics
    updating.close()


def test_the_report_is_one_json_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(contenders: dict[str, Any], **_: Any) -> dict[str, alternate.Rates]:
        return {name: {"updates": [100.0, 200.0, 400.0]} for name in contenders}

    monkeypatch.setattr(compiled, "alternate", measured)
    assert compiled.main(["push", "--json"]) == 0
    contenders = json.loads(capsys.readouterr().out)["contenders"]
    assert [one["updates_per_second"] for one in contenders.values()] == [200.0] * 2
    assert compiled.main(["push"]) == 0
    assert capsys.readouterr().out.count(" 5.00 ms") == 2
