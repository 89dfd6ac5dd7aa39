"""What `experiments.diagnose` says of curves whose story is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import diagnose
from experiments.table import EXPERIMENTS
from training.logger import Row


def story(success: list[float], loss: list[float]) -> list[Row]:
    return [
        {"step": 100.0 * (number + 1), "success_rolling": one, "critic_loss": other}
        for number, (one, other) in enumerate(zip(success, loss, strict=True))
    ]


@pytest.mark.parametrize(
    ("success", "loss", "learns"),
    [
        ([0.05] * 8, [4, 4, 4, 4, 3, 3, 2, 2], False),  # flat, and the loss falls
        ([0.05] * 8, [1, 1, 1, 1, 2, 2, 3, 3], True),  # flat, and it rises
        ([0.05] * 8, [1.0] * 8, None),  # flat, and it stays
        ([0.05] * 6 + [0.5, 0.6], [4, 4, 4, 4, 3, 3, 2, 2], None),  # not flat: the rule is not about it
    ],
)
def test_the_chapters_rule_is_about_flat_success(success: list[float], loss: list[float], learns: bool | None) -> None:
    assert diagnose.chapters_rule(story(success, loss)).learns is learns


def test_rows_fall_into_the_bucket_that_they_end_in() -> None:
    rows = story([0.0] * 6, [1.0] * 6)
    found = diagnose.buckets_of(rows, 200)
    assert [(end, [row["step"] for row in held]) for end, held in found] == [
        (200, [100, 200]), (400, [300, 400]), (600, [500, 600]),
    ]  # fmt: skip


def test_milestones_are_the_chapters_at_the_runs_own_scale() -> None:
    """From state the chapter had 14% at 64% of its 2M steps, and 52% at 76%; this run has come to 70% of its own."""
    config = EXPERIMENTS["push-state"].config(["--total-steps", "1000"])
    found = diagnose.milestones(story([0.1, 0.1, 0.1, 0.1, 0.3, 0.2, 0.2], [1.0] * 7), config)
    assert found[0] == (pytest.approx(640), 0.14, 0.3)
    assert found[1] == (pytest.approx(760), 0.52, None)


def test_a_committed_run_is_described_and_a_folder_that_is_none_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run = Path(diagnose.__file__).parent / "results" / "push-state" / "seed-0"
    assert diagnose.main([str(run), "--buckets", "21000"]) == 0
    said = capsys.readouterr().out
    assert "step 42000 of 42000" in said and "21k" in said and "42k" in said and "inflection: at step" in said
    assert "says nothing (success is not flat" in said and "reached by" in said
    assert diagnose.main([str(tmp_path)]) == 2
    assert diagnose.main([]) == 2
    assert diagnose.main([str(run), "--buckets", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 3
