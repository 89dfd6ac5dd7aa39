"""The experiments with pretrained eyes, and with a critic that is told: valid, and matched."""

from __future__ import annotations

import dataclasses

import pytest

from experiments.eyes_pretrained import EYES_PRETRAINED
from experiments.table import EXPERIMENTS
from training.config import cli
from training.config.validation import problems

# push-pixels with an encoder that the critic trains.
BASE = "push-pixels --routing critic --goal-loss 0 --goal-input off --no-goal-motion --encoder-learning-rate 2e-4"
FROZEN = {"encoder", "weights", "weights_side", "freeze"}
MAY_DIFFER = {
    "eyes-asymmetric": {"critic_obs", "routing"},
    "eyes-asymmetric-goal": {"critic_obs", "routing", "goal_loss", "goal_input"},
    "eyes-frozen-random": FROZEN,
    "eyes-frozen-mobilenet": FROZEN,
}


@pytest.mark.parametrize("name", EYES_PRETRAINED)
def test_each_is_valid_and_differs_in_what_it_asks_alone(name: str) -> None:
    config, base = EYES_PRETRAINED[name].config(), cli.parse(f"{BASE} --final-episodes 200".split())
    assert problems(config) == [] and EXPERIMENTS[name] == EYES_PRETRAINED[name]
    ours, theirs = dataclasses.asdict(config), dataclasses.asdict(base)
    assert {flag for flag in ours if ours[flag] != theirs[flag]} == MAY_DIFFER[name]
