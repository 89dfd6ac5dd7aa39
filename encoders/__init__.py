"""Encoders: from an observation to the features that actor and critic read."""

from encoders.convolutions import shapes
from encoders.encoded import Encoded
from encoders.joint import PixelEncoder
from encoders.vector import VectorEncoder

__all__ = ["Encoded", "PixelEncoder", "VectorEncoder", "shapes"]
