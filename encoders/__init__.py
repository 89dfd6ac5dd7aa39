"""Encoders: from an observation to the features that actor and critic read."""

from encoders.base import Encoder
from encoders.families import shapes
from encoders.pixels import PixelEncoder
from encoders.pretrained import Backbone, PretrainedEncoder
from encoders.vector import VectorEncoder

__all__ = ["Backbone", "Encoder", "PixelEncoder", "PretrainedEncoder", "VectorEncoder", "shapes"]
