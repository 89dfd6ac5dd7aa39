"""What teaches the eyes: that the rows of the table differ in what they ask alone."""

from __future__ import annotations

import pytest

from experiments.eyes import EYES
from experiments.table import EXPERIMENTS, canonical, named
from tests.experiments.test_chapter import differing
from training.config.validation import problems

MAY_DIFFER = {
    "eyes-critic": set(),
    "eyes-shift": {"shift_pad"},
    "eyes-curl": {"auxiliary"},
    "eyes-spr": {"auxiliary"},
    "eyes-autoencoder": {"auxiliary"},
    # What lends goals is part of the method: images between two goals are none, and a tenth keeps its own goal.
    "eyes-latent": {"goals", "goal_noise", "goal_tries", "her_ratio"},
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


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_a_row_can_be_run_and_is_matched_in_all_but_what_it_asks(name: str) -> None:
    config = named(name).config()
    assert problems(config) == []
    assert differing(name, "eyes-critic") == MAY_DIFFER[name]
    assert (config.obs, config.total_steps) == ("honest", 48_000)


@pytest.mark.parametrize("name", REACH_MAY_DIFFER)
def test_so_is_one_on_reach(name: str) -> None:
    config = named(name).config()
    assert problems(config) == []
    assert differing(name, "reach-cell-a") == REACH_MAY_DIFFER[name]
    assert (config.obs, config.total_steps) == ("pixels-only", 16_000)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_several_steps_are_the_only_difference_from_push(steps: int) -> None:
    assert problems(named(f"push-n-step-{steps}").config()) == []
    assert named(f"push-n-step-{steps}").config().n_step == steps
    assert differing(f"push-n-step-{steps}", "push-state") == ({"n_step"} if steps > 1 else set())
