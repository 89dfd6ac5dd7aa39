"""How many updates are due."""

from __future__ import annotations

import pytest

from training.training_state import TrainingState


@pytest.mark.parametrize(
    ("updates_per_step", "num_envs", "steps", "expected"),
    [
        (0.3, 8, 800, 240),  # sums of floats end at 239
        (0.1, 1, 1000, 100),
        (0.7, 3, 999, 699),
        (0.125, 8, 800, 100),
        (1e-05, 8, 800_000, 8),
        (2.5, 4, 400, 1000),
    ],
)
def test_no_update_is_lost_to_rounding(updates_per_step: float, num_envs: int, steps: int, expected: int) -> None:
    training_state = TrainingState()
    while training_state.learning_steps < steps:
        training_state.learning_steps += num_envs
        due = training_state.updates_due(updates_per_step)
        assert 0 <= due <= updates_per_step * num_envs + 1, "spread evenly"
        training_state.updates += due
    assert training_state.updates == expected
