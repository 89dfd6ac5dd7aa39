"""Encoders: from what is observed to features. The goal is not among it: one encoding serves any number of goals."""

from encoders.vector import VectorEncoder

__all__ = ["VectorEncoder"]
