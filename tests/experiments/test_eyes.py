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


def test_the_table_has_all_rows() -> None:
    assert {*EYES, "eyes-goal-alone"} == set(MAY_DIFFER) and set(EYES) <= set(EXPERIMENTS)
    assert canonical("eyes-goal-alone") == "push-pixels"


@pytest.mark.parametrize("name", MAY_DIFFER)
def test_a_row_can_be_run_and_is_matched_in_all_but_what_it_asks(name: str) -> None:
    config = named(name).config()
    assert problems(config) == []
    assert differing(name, "eyes-critic") == MAY_DIFFER[name]
    assert (config.obs, config.total_steps) == ("honest", 48_000)


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_several_steps_are_the_only_difference_from_push(steps: int) -> None:
    assert problems(named(f"push-n-step-{steps}").config()) == []
    assert named(f"push-n-step-{steps}").config().n_step == steps
    assert differing(f"push-n-step-{steps}", "push-state") == {"n_step"}
