"""Encoders: from an observation to the features that actor and critic read."""

from encoders.base import Encoder
from encoders.convolutions import shapes
from encoders.pixels import PixelEncoder
from encoders.vector import VectorEncoder

__all__ = ["Encoder", "PixelEncoder", "VectorEncoder", "shapes"]
