"""What a goal is: the environment's own numbers, so far."""

from goals.base import GoalSpace
from goals.environment import EnvironmentGoals

__all__ = ["EnvironmentGoals", "GoalSpace"]
