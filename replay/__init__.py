"""Replay: a preallocated ring, hindsight relabelling, and the `Batch` that both hand to the agent."""

from replay.augment import RandomShift
from replay.batch import Batch, Future
from replay.prefetch import Prefetcher
from replay.ring import Ring
from replay.storage import RingSpec

__all__ = ["Batch", "Future", "Prefetcher", "RandomShift", "Ring", "RingSpec"]
