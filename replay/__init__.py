"""Replay: a preallocated ring, hindsight relabelling, and the `Batch` that both hand to the agent."""

from replay.batch import Batch
from replay.ring import Ring

__all__ = ["Batch", "Ring"]
