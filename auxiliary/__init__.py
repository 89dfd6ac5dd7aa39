"""Losses beside the critic's that teach an encoder. Each is one file; the critic's optimizer owns its parameters."""

from auxiliary.base import Auxiliary
from auxiliary.goal_regression import GoalInput, GoalRegression

__all__ = ["Auxiliary", "GoalInput", "GoalRegression"]
