"""Whether success ends the episodes of an environment, as its steps show."""

from __future__ import annotations

import math

import numpy as np


class Ending:
    """What the steps so far say about success and the ends of episodes; no environment declares it.

    Where success ends the episodes, they end at the first step that reaches the goal, and whether a step does is seen
    from its reward. So a transition that hindsight lends a goal ends too, if its new reward is at least the least one
    that ended an episode: a step leads to an end or not by what it led to and by the goal, and by nothing before it.
    That the stored episode went on afterwards does not matter, for each transition is learned from by itself.

    Attributes:
        least_success: least reward of a success that ended its episode.
        most_failure: greatest reward of a step without success.
        goes_on: whether an episode went on after a success.
    """

    def __init__(self) -> None:
        self.least_success, self.most_failure, self.goes_on = math.inf, -math.inf, False

    def observe(self, reward: np.ndarray, terminated: np.ndarray, success: np.ndarray) -> None:
        """Take N steps: their rewards of the goals alone (N,), and whether each terminated and was a success (N,)."""
        self.goes_on |= bool((success & ~terminated).any())
        self.least_success = float(reward[success].min(initial=self.least_success))
        self.most_failure = float(reward[~success].max(initial=self.most_failure))

    @property
    def contradictory(self) -> bool:
        """Whether success ends episodes, but is more than a reward: which goals that are lent it ends is unknown."""
        return not self.goes_on and self.least_success <= self.most_failure

    @property
    def success_reward(self) -> float:
        """The least reward that ends an episode; infinite where success ends none, as far as is known."""
        return math.inf if self.goes_on or self.contradictory else self.least_success

    def state_dict(self) -> dict[str, float | bool]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, float | bool]) -> None:
        vars(self).update(state)
