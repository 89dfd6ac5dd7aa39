"""What `experiments.diagnose` says of curves whose story is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from experiments import diagnose, validation
from experiments.table import EXPERIMENTS
from tests.training.test_verdict import story
from training.logger import Row
from training.verdict import Opinion


@pytest.fixture(scope="module")
def runs() -> list[validation.Run]:
    return list(validation.committed(Path(diagnose.__file__).parent / "results"))


def test_of_committed_runs_those_that_learned_are_told_from_those_that_failed(runs: list[validation.Run]) -> None:
    learned = {(run.name, run.config.seed): run.learned for run in runs}
    assert learned["push-unguided", 0] and learned["slide-state", 0]
    assert learned["twin-state", 1]  # 58% of 100 episodes after training
    assert not learned["push-honest-blind", 0] and not learned["hand-reach", 0]
    assert not any(run.name == "push-dense" for run in runs)  # its rewards are other ones


def test_of_the_runs_that_the_signs_were_fitted_on_no_healthy_one_is_called_failing_or_would_have_been_ended(
    runs: list[validation.Run],
) -> None:
    fitted = [run for run in runs if run.fitted]
    missed, alarms, spoken = validation.errors(validation.judged(fitted), "signs")
    assert (alarms, missed) == (0, 8) and spoken == 108
    assert not any(validation.stopped(run) for run in fitted if run.learned)
    assert sum(validation.stopped(run) for run in fitted if not run.learned) >= 25


def test_a_run_is_judged_by_what_was_known_while_it_was_flat(runs: list[validation.Run]) -> None:
    """Rows after the moment are not seen; a run that has lifted by then is not judged."""
    (run,) = (run for run in runs if run.name == "reach-cell-c" and run.config.seed == 1)
    for one in validation.judged([run]):
        assert one.flat[-1]["step"] <= one.moment * 16_000
    assert [one.moment for one in validation.judged([run])] == [0.25, 0.375, 0.5]
    lifted = [row | ({"eval_success": 0.9} if row["step"] >= 5000 else {}) for row in run.rows]
    assert [one.moment for one in validation.judged([run._replace(rows=lifted)])] == [0.25]


def made_up(learned: bool, said: bool | None, rows: list[Row] | None = None) -> validation.Judged:
    config = EXPERIMENTS["push-state"].config([])
    run = validation.Run("", config, [], learned, True)
    return validation.Judged(run, 0.5, rows or [], {"rule": Opinion(said, "")})


def test_errors_are_counted_by_kind() -> None:
    pairs = [(True, True), (True, False), (False, True), (False, True), (False, False), (True, None)]
    assert validation.errors([made_up(*pair) for pair in pairs], "rule") == (2, 1, 5)


def test_a_measure_that_rises_only_in_runs_that_learned_separates_them() -> None:
    def rising(by: float) -> list[Row]:
        return [row | {"q": by * row["step"]} for row in story([0.0] * 8, [1.0] * 8)]

    cases = [made_up(True, None, rising(2)), made_up(True, None, rising(3)), made_up(False, None, rising(-1))]
    assert validation.separation(cases, "q") == (2, 1, 1.0)
    assert validation.separation([*cases, made_up(False, None, rising(2))], "q") == (2, 2, 3.5 / 4)
    assert validation.separation(cases, "critic_loss") == (2, 1, 0.5)
    assert validation.separation(cases, "entropy")[:2] == (0, 0)


def test_the_validation_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    results = Path(diagnose.__file__).parent / "results"
    for name in ("reach-cell-a", "reach-cell-c", validation.FITTED):
        (tmp_path / name).symlink_to(results / name)
    assert diagnose.main(["--validate", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "| 50.0% |" in said and "`--stop-rule` would have ended" in said and "| `td_loss_original` |" in said
    assert diagnose.main(["--validate", "--results", str(tmp_path / "none")]) == 2
    (tmp_path / "none").mkdir()
    assert diagnose.main(["--validate", "--results", str(tmp_path / "none")]) == 0
    printed = capsys.readouterr()
    assert "there is no folder" in printed.err and "There is no run in" in printed.out


def test_a_run_whose_environment_is_not_installed_is_described_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(Path(diagnose.__file__).parent / "results" / "push-state" / "seed-0", run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"env_id": "no_such_package:Push-v0"}))
    assert diagnose.main([str(run)]) == 0
    said = capsys.readouterr().out
    assert "inflection: at step" in said and "not known: 'no_such_package:Push-v0' cannot be built" in said
    assert "the chapter's rule: " in said and "signs: " in said


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
