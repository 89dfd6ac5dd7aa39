"""The points of a SpatialSoftmax, drawn on the images that the agent sees."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from numpy.typing import NDArray

from agent import Agent
from encoders import PixelEncoder
from encoders.pooling import SpatialSoftmax
from envs.rendering import captions
from envs.rendering.captions import HEIGHT, write
from envs.rendering.video import ENLARGED, Overlay, enlarged
from training.errors import UserError
from training.rollout.policy import FrameStack

HALF = 2  # pixels of the film, half the side of a point


def keypoints(agent: Agent, frame_stack: int) -> Overlay:
    """Overlay for `envs.record`: the images, each map's point drawn on all of them, and a legend of colours below.

    Raises UserError if the agent's encoder has no SpatialSoftmax.
    """
    encoder = agent.encoder if agent.actor_encoder is None else agent.actor_encoder
    if not isinstance(encoder, PixelEncoder) or not isinstance(encoder.pooling, SpatialSoftmax):
        raise UserError("--keypoints draws the points of a SpatialSoftmax, and this run has none (--pooling).")
    pooling, convolutions, frames = encoder.pooling, encoder.convolutions, FrameStack(frame_stack)

    @torch.no_grad()
    def overlay(pixels: np.ndarray, opens: bool) -> np.ndarray:
        maps = convolutions(frames.push(pixels[None], np.array([opens])).to(agent.device))
        points = pooling.points(maps)[0].cpu().numpy()  # (channels, 2)
        image, side = enlarged(pixels), pixels.shape[0] * ENLARGED
        colors = hues(len(points))
        for color, (x, y) in zip(colors, (points + 1) / 2 * (side - 1), strict=True):
            for top in range(0, len(image), side):  # a map is made of all cameras' images: its point is on each
                row, column = top + int(y), int(x)
                image[max(top, row - HALF) : row + HALF, max(0, column - HALF) : column + HALF] = color
        return np.concatenate([image, legend(colors, image.shape[1])])

    return overlay


def hues(count: int) -> NDArray[np.uint8]:
    """Colour of each map, (count, 3)."""
    return np.array([[255 * part for part in colorsys.hsv_to_rgb(n / count, 1, 1)] for n in range(count)], np.uint8)


def legend(colors: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Legend of the colours, (2 lines, width, 3): the first map's at the left."""
    bar = colors[np.arange(width) * len(colors) // width]
    image = np.stack([np.zeros_like(bar)] * HEIGHT + [bar] * HEIGHT)
    write(image, "points of the SpatialSoftmax")
    write(image, "map 1", 0, HEIGHT)
    write(image, f"{len(colors)}", width - captions.width(f"{len(colors)}"), HEIGHT)
    return image
