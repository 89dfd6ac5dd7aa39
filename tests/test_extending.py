"""docs/extending.md: what it has readers copy runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.training.runs import TINY, metrics, run

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
ARM, *SCRIPTS = re.findall(r"```python\n(.*?)```", PAGE.split("## An auxiliary loss")[0], re.DOTALL)
COMMANDS = [shlex.split(line) for line in re.findall(r"python (train\.py [^`]*--env-id arm[^`]*)`", PAGE)]
SMALL = ["--num-envs", "2", "--total-steps", "160", "--buffer-size", "400"]


@pytest.mark.parametrize("command", COMMANDS, ids=["state", "pixels"])
def test_the_arm_trains_from_state_and_from_pixels(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "arm.py").write_text(ARM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    _, preset, *flags = command
    assert run(preset, *flags, *TINY, *SMALL, "--run-dir", "run") == 0
    assert float(metrics(Path("run"))[-1]["updates"]) == 20


@pytest.mark.parametrize("number", range(len(SCRIPTS)), ids=["environments", "replay", "agent", "SB3"])
def test_each_part_is_used_alone(number: int, capsys: pytest.CaptureFixture) -> None:
    exec(compile(SCRIPTS[number], f"script {number}", "exec"), {})
    printed = capsys.readouterr().out
    assert number == 3 or printed.endswith(["(4, 84, 84, 3)\n", ")\n", "torch.Size([64, 3])\n"][number])
