"""Goal spaces: the environment's own goals, or points in the latent space of an autoencoder."""

from goals.base import GoalSpace
from goals.environment import EnvironmentGoals
from goals.latent import LatentGoals

__all__ = ["EnvironmentGoals", "GoalSpace", "LatentGoals"]
