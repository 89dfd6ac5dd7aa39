"""What teaches the eyes: that the rows of the table differ in what they ask alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import eyes_table
from experiments.evidence import Result
from experiments.eyes import EYES
from experiments.table import EXPERIMENTS, canonical, named
from tests.experiments.test_chapter import differing
from training.config.validation import problems

CONDITIONAL = {"goals", "goal_noise", "goal_tries", "her_ratio", "latent_input", "latent_conditional", "latent_frames",
               "latent_updates", "prior_ratio"}  # fmt: skip
MAY_DIFFER = {
    "eyes-critic": set(),
    "eyes-shift": {"shift_pad"},
    "eyes-curl": {"auxiliary"},
    "eyes-spr": {"auxiliary"},
    "eyes-autoencoder": {"auxiliary"},
    # What lends goals is part of the method: images between two goals are none, and a tenth keeps its own goal.
    "eyes-latent": {"goals", "goal_noise", "goal_tries", "her_ratio"},
    "eyes-latent-conditional": {*CONDITIONAL},
    "eyes-latent-sparse": {*CONDITIONAL, "latent_reward", "latent_threshold"},
    "eyes-latent-alone": {
        *CONDITIONAL,
        "latent_reward",
        "latent_threshold",
        "updates_per_step",
        "goal_sampling",
        "updates_per_encoding",
        "latent_every",
    },
    "eyes-latent-near": {*CONDITIONAL, "latent_reward", "latent_threshold", "updates_per_step", "updates_per_encoding"}
    - {"goal_noise"},
    "eyes-latent-object": {
        *CONDITIONAL,
        "latent_reward",
        "latent_threshold",
        "latent_warm_up",
        "updates_per_step",
        "updates_per_encoding",
    }
    - {"goal_noise", "goal_tries"},
    "eyes-latent-spatial": {
        "goals",
        "latent_model",
        "her_ratio",
        "prior_ratio",
        "latent_updates",
        "latent_reward",
        "latent_threshold",
        "latent_input",
        "updates_per_step",
        "updates_per_encoding",
    },
    "eyes-latent-skewed": {"goals", "goal_noise", "goal_tries", "her_ratio", "goal_sampling"},
    "eyes-goal": {"goal_loss"},
    # Without the critic's gradient, features that nothing else trains would be no input: the estimate is.
    "eyes-goal-alone": {"goal_loss", "routing", "goal_input", "goal_motion", "encoder_learning_rate"},
}
# On Reach, from cell A of the chapter. What a frozen network was trained on decides how it reads pixels.
FROZEN = {"encoder", "freeze", "weights", "weights_side", "pooling", "pixel_scale"}
REACH_MAY_DIFFER = {
    "reach-critic": set(),
    "reach-shift": {"shift_pad"},
    "reach-curl": {"auxiliary"},
    "reach-spr": {"auxiliary"},
    "reach-autoencoder": {"auxiliary"},
    "reach-goal": {"goal_loss"},
    "reach-asymmetric": {"critic_obs", "routing", "target_encoder"},
    "reach-dreamer": {"encoder"},
    "reach-tdmpc2": {"encoder"},
    "reach-frozen-random": FROZEN,
    "reach-frozen-mobilenet": FROZEN,
}


def test_the_table_has_all_rows() -> None:
    rows = {*MAY_DIFFER, *REACH_MAY_DIFFER}
    assert {*EYES, "eyes-goal-alone", "reach-critic", "reach-shift"} == rows and set(EYES) <= set(EXPERIMENTS)
    assert canonical("eyes-goal-alone") == "push-pixels"


@pytest.mark.parametrize("name", [*MAY_DIFFER, *REACH_MAY_DIFFER])
def test_a_row_can_be_run_and_is_matched_in_all_but_what_it_asks(name: str) -> None:
    config = named(name).config()
    base, differs, obs, steps = "eyes-critic", MAY_DIFFER, "honest", 48_000
    if name in REACH_MAY_DIFFER:
        base, differs, obs, steps = "reach-cell-a", REACH_MAY_DIFFER, "pixels-only", 16_000
    assert problems(config) == [] and differing(name, base) == differs[name]
    assert (config.obs, config.total_steps) == (obs, steps)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_several_steps_are_the_only_difference_from_push(steps: int) -> None:
    assert problems(named(f"push-n-step-{steps}").config()) == []
    assert named(f"push-n-step-{steps}").config().n_step == steps
    assert differing(f"push-n-step-{steps}", "push-state") == ({"n_step"} if steps > 1 else set())


def test_a_line_of_the_table_counted_by_hand() -> None:
    config = named("reach-critic").config()
    rows = [
        {"step": 100.0},
        {"step": 200.0, "readout_cm": 9.0, "eval_success": 0.6},
        {"step": 300.0, "readout_cm": 3.0, "eval_success": 0.6},
    ]
    rows = [row | {"seconds": row["step"], "updates": 1.0, "steps_per_second": 9.0} for row in rows]
    final = {"success_rate": 0.6, "ever_success_rate": 0.7, "episodes": 10, "updates": 2, "wall_seconds": 3.0}
    update = {"milliseconds": 12.6, "updates_per_encoding": 4}
    cells = eyes_table.row_of("reach-critic", [Result(config, rows, final, 1, 1)], update).split(" | ")
    pixels, rest = 84 * 84 * 3, 4 * (4 + 2) + 8 * (2 * 3 + 3)  # action, reward, end; two goals and three times
    assert cells[2:] == ["60%", "70%", "0.2k", "not reached", "3.0 cm", f"{pixels + rest}", "13 ms, 4x |"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"updates": 5}', '{"updates": {"a": {"milliseconds": "x"}}}'])
def test_no_page_is_written_from_what_is_damaged_or_not_there(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "page.md", tmp_path / "results" / eyes_table.UPDATES
    assert eyes_table.main(["--results", str(tmp_path / "results"), "--out", str(out)]) == 2
    assert "there is no folder" in capsys.readouterr().err
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert eyes_table.main(["--results", str(tmp_path / "results"), "--out", str(out)]) == 2
    assert "is not what benchmarks.updates writes" in capsys.readouterr().err and not out.exists()


def test_the_page_says_what_has_not_run(tmp_path: Path) -> None:
    assert eyes_table.main(["--results", str(tmp_path), "--out", str(tmp_path / "page.md")]) == 0
    text = (tmp_path / "page.md").read_text()
    assert all(f"`{name}`" in text for names in eyes_table.GROUPS.values() for name in names) and "![" not in text
