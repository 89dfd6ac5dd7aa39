"""Whether success ends the episodes of an environment, as its steps show."""

from __future__ import annotations

import math

import numpy as np


class Ending:
    """Evidence from the steps so far on whether success ends episodes, which no environment declares.

    If success ends episodes, an episode ends at the first step that reaches the goal, and the step's reward shows
    whether it does. So a relabelled transition ends its episode too if its new reward is at least the least reward that
    ended one: the end depends on the goal and on the outcome of the step, not on earlier steps. It does not matter that
    the stored episode went on, for each transition is learned from by itself.

    Attributes:
        least_success: least reward of a success that ended its episode.
        most_failure: greatest reward of a step without success.
        goes_on: whether an episode went on after a success.
    """

    def __init__(self) -> None:
        self.least_success, self.most_failure, self.goes_on = math.inf, -math.inf, False

    def observe(self, reward: np.ndarray, terminated: np.ndarray, success: np.ndarray) -> None:
        """Take N steps: their goals' rewards (N,), and whether each step terminated and was a success (N,)."""
        self.goes_on |= bool((success & ~terminated).any())
        self.least_success = float(reward[success].min(initial=self.least_success))
        self.most_failure = float(reward[~success].max(initial=self.most_failure))

    @property
    def contradictory(self) -> bool:
        """Whether success ends episodes but does not follow from the reward: relabelled transitions then go on."""
        return not self.goes_on and self.least_success <= self.most_failure

    @property
    def success_reward(self) -> float:
        """Least reward that ends an episode; infinite if, as far as is known, success ends none."""
        return math.inf if self.goes_on or self.contradictory else self.least_success

    def state_dict(self) -> dict[str, float | bool]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, float | bool]) -> None:
        vars(self).update(state)
