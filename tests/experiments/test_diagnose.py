"""What `experiments.diagnose` says of curves whose story is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import diagnose, validation
from experiments.table import EXPERIMENTS
from training.logger import Row
from training.verdict import Opinion


def story(success: list[float], loss: list[float]) -> list[Row]:
    return [
        {"step": 100.0 * (number + 1), "success_rolling": one, "critic_loss": other}
        for number, (one, other) in enumerate(zip(success, loss, strict=True))
    ]


def test_of_committed_runs_those_that_learned_are_told_from_those_that_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = validation.judged(Path(diagnose.__file__).parent / "results")
    learned = {(run.name, run.seed): run.learned for run in runs}
    assert learned["push-unguided", 0] and learned["slide-state", 0]
    assert not learned["push-honest-blind", 0] and not learned["hand-reach", 0]
    assert not any(run.name == "push-dense" for run in runs)  # its rewards are other ones
    monkeypatch.setenv("COLUMNS", "200")
    assert diagnose.main(["--validate"]) == 0
    assert "signs: wrong of" in capsys.readouterr().out


def test_errors_are_counted_by_kind() -> None:
    says = {True: Opinion(True, ""), False: Opinion(False, ""), None: Opinion(None, "")}
    pairs = [(True, True), (True, False), (False, True), (False, True), (False, False), (True, None)]
    runs = [validation.Judged("", 0, learned, 0.0, None, {"rule": says[said]}) for learned, said in pairs]
    assert validation.errors(runs, "rule") == (2, 1, 5)


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
    assert "the chapter's rule: it learns" in said and "signs: says nothing" in said and "reached by" in said
    assert diagnose.main([str(tmp_path)]) == 2
    assert diagnose.main([]) == 2
    assert diagnose.main([str(run), "--buckets", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 3
