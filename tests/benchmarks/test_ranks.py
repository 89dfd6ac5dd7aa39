"""What is computed from two ranks' times is what one computes by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import ranks

MILLISECONDS = {(1, 256): 8.0, (2, 256): 5.0, (1, 128): 4.5, (1, 64): 3.0, (1, 32): 2.0}


def test_more_ranks_are_computed_from_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> Any:
        count, batch_size = (int(command[command.index(flag) + 1]) for flag in ("--nproc-per-node", "--batch-size"))
        return SimpleNamespace(stdout=f"torchrun says something\n{MILLISECONDS[count, batch_size]}\n")

    monkeypatch.setattr(ranks, "provenance", dict)
    monkeypatch.setattr(ranks.subprocess, "run", run)
    report = ranks.report_of(ranks.Options(rounds=2))
    assert (report["speedup"], report["efficiency"]) == (1.6, 0.8)
    # Averaging takes two ranks 0.5 ms; in a ring, each of 4 sends 3/2 of what each of 2 does, and each of 8, 7/4.
    assert report["computed_milliseconds"] == {4: 3.0 + 0.75, 8: 2.0 + 0.875}
    assert report["computed_efficiency"] == {4: 8 / (4 * 3.75), 8: 8 / (8 * 2.875)}


@pytest.mark.parametrize("flags", [["--batch-size", "100"], ["--batch-size", "0"], ["--rounds", "0"]])
def test_bad_values_get_one_sentence(flags: list[str], capsys: pytest.CaptureFixture) -> None:
    assert ranks.main(["push", *flags]) == 2
    assert capsys.readouterr().err.startswith("benchmarks.ranks: --batch-size is a multiple of 8")
