"""The chapter's questions: that they compare like with like, and that the page says what the results say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from experiments import evidence
from experiments.chapter import __main__ as chapter
from experiments.chapter import report, shifts
from experiments.chapter.claims import QUESTIONS
from experiments.chapter.question import OPEN, Question
from experiments.chapter.table import ALIASES, CHAPTER, HONEST
from experiments.table import EXPERIMENTS, canonical, named
from tests.experiments.test_experiments import NEVER, SLOW, make_result
from training.config.pixels import Pixels
from training.config.validation import problems

# What each of the chapter's comparisons may differ in.
MAY_DIFFER = {
    "step-1": {"routing"},
    "step-2": set(),
    "step-4": {"shift_pad"},
    "cell-b": {"pooling"},
    "cell-c": {"pooling", "shift_pad"},
    "routing-actor": {"routing"},
    "routing-both": {"routing"},
    "encoder-nature": {"encoder"},
    "encoder-manipulation": {"encoder"},
    **{f"temperature-{start}": {"softmax_temperature"} for start in ("0.3", "0.1", "0.03")},
    "step-0": {"encoder", "pooling", "feature_norm", "routing"},
    "no-feature-norm": {"feature_norm"},
    "stack-4": {"frame_stack"},
    "no-proprio": {"proprioception"},
    "proprio-minimal": {"proprioception"},
    "coord-conv": {"coord_conv"},
    "render-480": {"render_size", "msaa"},
    "goal-marker": {"show_goal_marker"},
    "pad-8": {"shift_pad"},
    "lost-replay": set(),  # its replay is lost half-way, which is no setting
    "probe-lr": {"learning_rate", "encoder_learning_rate"},
    "probe-updates": {"updates_per_step"},
    "probe-k": {"her_ratio"},
    "probe-envs": {"num_envs"},
    "probe-gamma": {"gamma"},
    "probe-alpha": {"alpha"},
    "probe-three": {"learning_rate", "encoder_learning_rate", "updates_per_step", "her_ratio"},
}
REACH_MAY_DIFFER = {
    "reach-cell-a": set(),
    "reach-cell-b": {"pooling"},
    "reach-cell-c": {"pooling", "shift_pad"},
    "reach-cell-d": {"shift_pad"},
    "reach-temperature-0.1": {"softmax_temperature"},
    "reach-nature": {"encoder"},
    **{f"reach-{routing}": {"routing"} for routing in ("actor", "separate", "both")},
    **{
        f"reach-{name}": MAY_DIFFER[name]
        for name in ("no-feature-norm", "stack-4", "coord-conv", "render-480", "goal-marker", "pad-8")
    },
}
REACH_MAY_DIFFER |= {
    f"{name}-twice": REACH_MAY_DIFFER[name] | {"total_steps"}
    for name in ("reach-cell-d", "reach-actor", "reach-no-feature-norm", "reach-coord-conv", "reach-pad-8")
}
MAY_DIFFER["no-proprio-twice"] = {"proprioception", "total_steps"}
RESULTS = Path(__file__).parents[2] / "experiments" / "results"
OF_PIXELS = {field.name for field in dataclasses.fields(Pixels)}


def differing(one: str, other: str) -> set[str]:
    left, right = dataclasses.asdict(named(one).config()), dataclasses.asdict(named(other).config())
    return {name for name in left if left[name] != right[name]}


def test_every_experiment_that_a_question_names_can_be_run() -> None:
    for question in QUESTIONS:
        assert len(set(map(canonical, question.experiments))) == len(question.experiments)
        for name in question.experiments:
            assert problems(named(name).config()) == [], name
    for name in CHAPTER:
        assert problems(named(name).config()) == [], name
        assert any(name in map(canonical, question.experiments) for question in QUESTIONS) or "book-cell" in name, name
    assert set(ALIASES.values()) <= set(EXPERIMENTS) and not set(ALIASES) & set(EXPERIMENTS)


@pytest.mark.parametrize(("name", "obs"), [("twin-blind", "blind"), ("twin-state", "state")])
def test_what_has_no_images_is_else_the_same_as_step_2(name: str, obs: str) -> None:
    assert differing(name, "step-2") <= OF_PIXELS | {"obs", "preset"} and named(name).config().obs == obs


def test_questions_that_do_not_say_so_are_matched() -> None:
    """Whatever is compared differs in what this file lists, or the page says in what else."""
    for question in QUESTIONS:
        names = {canonical(name).removeprefix("honest-") for name in question.experiments}
        matched = ({*MAY_DIFFER, "twin-blind", "twin-state"}, {*REACH_MAY_DIFFER})
        assert any(names <= group for group in matched) or question.unmatched, question.name


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_a_comparison_is_matched_in_all_but_what_it_asks(name: str) -> None:
    assert differing(name, "step-2") == MAY_DIFFER[name]
    if name in HONEST:
        assert differing(f"honest-{name}", "honest-step-2") == MAY_DIFFER[name]
        assert differing(f"honest-{name}", name) == {"obs"}


@pytest.mark.parametrize("name", REACH_MAY_DIFFER)
def test_so_is_one_on_reach(name: str) -> None:
    assert differing(name, "reach-cell-a") == REACH_MAY_DIFFER[name]


def test_the_page_has_each_seed_beside_the_mean_and_says_what_is_missing(tmp_path: Path) -> None:
    make_result(tmp_path, 0, SLOW, success=0.9)
    make_result(tmp_path, 3, NEVER, success=0.4)
    question = Question("reach", "Title", "The claim.", ("reach-state", "step-2"), "a flag")
    text = report.section(question, tmp_path, "pictures")
    row = next(line for line in text.splitlines() if line.startswith("| `reach-state`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["2", "1k", "65.0% (90.0%, 40.0%)"]
    assert cells[5:7] == ["1 of 2 seeds", "1 of 2 seeds"]  # the median of 300 steps and never
    assert "Not run yet: `step-2`." in text and "The claim." in text and f"**Verdict:** {OPEN}" in text
    assert "python -m experiments.run step-2 --seeds 0 1 2" in text
    report.image(question, {"reach-state": evidence.read(tmp_path, "reach-state")}, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_figures_in_a_verdict_are_those_of_the_runs(tmp_path: Path) -> None:
    make_result(tmp_path, 0, SLOW, success=0.994)
    make_result(tmp_path, 3, NEVER, success=0.41)
    assert report.filled("ends at {reach-state:2}, not {step-3:3}.", tmp_path) == "ends at 99.4, 41%, not (not run)."


def test_a_verdict_is_read_again_when_a_seed_is_added() -> None:
    """Its words, "one seed" or "below all three", were chosen for so many."""
    placed = [place for question in QUESTIONS for place in report.PLACE.findall(question.verdict)]
    for name, seeds in placed:
        assert len(evidence.seed_folders(RESULTS, canonical(name))) == int(seeds), name
    assert len(placed) == sum(question.verdict.count("{") for question in QUESTIONS) > 50


def test_step_4_has_the_measured_shifts(tmp_path: Path) -> None:
    named_columns = ",".join(("cell", "encoder", "part", *shifts.DISTANCES))
    (tmp_path / shifts.FILE).write_text(f"{named_columns}\ncell-a,untrained,SpatialSoftmax,0.5,0.25,0\n")
    step_4, step_2 = (next(one for one in QUESTIONS if one.name == name) for name in ("step-4", "step-2"))
    assert "| cell-a | untrained | SpatialSoftmax | 0.5 | 0.25 | 0 | 2 |" in report.section(step_4, tmp_path, "")
    assert "untrained" not in report.section(step_2, tmp_path, "")


def test_without_results_the_page_is_all_questions_and_no_image(tmp_path: Path) -> None:
    assert chapter.main(["report", "--results", str(tmp_path), "--out", str(tmp_path / "docs.md")]) == 0
    text = (tmp_path / "docs.md").read_text()
    assert all(f"## {question.title}" in text for question in QUESTIONS)
    assert "![" not in text and list((tmp_path / "docs").iterdir()) == []


def test_the_list_names_each_experiment_once_a_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chapter.main(["--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert all(sum(line.startswith(f"{question.name}: ") for line in lines) == 1 for question in QUESTIONS)
    rows = report.listing(tmp_path)
    assert [(question, name.split(" = ")[0]) for question, name, _, _ in rows] == [
        (question.name, name) for question in QUESTIONS for name in question.experiments
    ]


@pytest.mark.parametrize("arguments", [["report", "--nope"], ["lists"], ["run", "cell-z"]])
def test_what_is_no_command_ends_with_a_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        raise SystemExit(chapter.main(arguments))
    assert leaving.value.code == 2
    assert capsys.readouterr().err
