"""Replay: a preallocated ring, hindsight relabelling, and the `Batch` that both hand to the agent."""

from replay.ahead import Ahead
from replay.augment import RandomShift
from replay.batch import Batch
from replay.ring import Ring
from replay.storage import Room

__all__ = ["Ahead", "Batch", "RandomShift", "Ring", "Room"]
