"""The agent: SAC, its networks, its input normaliser, and the wrappers that make it fast."""

from agent.actor_critic import ActorCritic, Heads
from agent.sac import SAC

__all__ = ["SAC", "ActorCritic", "Heads"]
