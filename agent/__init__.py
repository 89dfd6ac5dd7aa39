"""The agent: SAC, its networks, and the wrappers that make it fast."""

from agent.agent import Agent
from agent.networks import NetworkConfig
from agent.sac import SAC

__all__ = ["SAC", "Agent", "NetworkConfig"]
