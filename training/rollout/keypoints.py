"""The points of a SpatialSoftmax, drawn on the images that the agent sees."""

from __future__ import annotations

import colorsys

import numpy as np
import torch

from agent import Agent
from encoders import PixelEncoder
from encoders.pooling import SpatialSoftmax
from envs.rendering.video import ENLARGED, Overlay, enlarged
from training.errors import UserError
from training.rollout.policy import FrameStack

HALF = 2  # pixels of the film, half the side of a point


def keypoints(agent: Agent, frame_stack: int) -> Overlay:
    """Raises UserError if the agent's encoder has no SpatialSoftmax."""
    encoder = agent.encoder if agent.actor_encoder is None else agent.actor_encoder
    if not isinstance(encoder, PixelEncoder) or not isinstance(encoder.pooling, SpatialSoftmax):
        raise UserError("--keypoints draws the points of a SpatialSoftmax, and this run has none (--pooling).")
    pooling, convolutions, frames = encoder.pooling, encoder.convolutions, FrameStack(frame_stack)

    @torch.no_grad()
    def overlay(pixels: np.ndarray, opens: bool) -> np.ndarray:
        maps = convolutions(frames.push(pixels[None], np.array([opens])).to(agent.device))
        points = pooling.points(maps)[0].cpu().numpy()  # (channels, 2)
        image, side = enlarged(pixels), pixels.shape[0] * ENLARGED
        for number, (x, y) in enumerate((points + 1) / 2 * (side - 1)):
            color = np.array(colorsys.hsv_to_rgb(number / len(points), 1, 1)) * 255
            for top in range(0, len(image), side):  # a map is made of all cameras' images: its point is on each
                row, column = top + int(y), int(x)
                image[max(top, row - HALF) : row + HALF, max(0, column - HALF) : column + HALF] = color
        return image

    return overlay
