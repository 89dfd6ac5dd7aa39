"""Replay: a preallocated ring, hindsight relabelling, and the `Batch` that both hand to the agent."""

from replay.augment import RandomShift
from replay.batch import Batch
from replay.prefetch import Ahead
from replay.ring import Ring
from replay.storage import Room

__all__ = ["Ahead", "Batch", "RandomShift", "Ring", "Room"]
