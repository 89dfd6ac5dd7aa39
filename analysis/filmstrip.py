"""One episode of a run's film as a row of images: `python -m analysis.filmstrip VIDEO PNG [--episode 0]`.

The images are evenly spaced in change, not in time: an arm that has arrived and rests fills one image, not three.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tyro
from numpy.typing import NDArray

from analysis.command import command
from training.errors import UserError


@dataclass(frozen=True)
class Arguments:
    video: tyro.conf.Positional[Path]
    """A film made by train.py or eval.py."""
    png: tyro.conf.Positional[Path]
    """Image file for the row."""
    episode: int = 0
    """Number of the filmed episode, counted from 0."""
    steps: int = 50
    """Steps of an episode; the film has one more image."""
    images: int = 5
    """Number of images, from the first to the last of the episode."""


CHANGED = 24  # of 255; a pixel that changes less counts as unchanged: the codec changes all a little


def chosen(frames: NDArray[np.uint8], images: int) -> NDArray[np.int64]:
    """Indices (images,) of the frames (T, H, W, 3) to take: about as many pixels change between each two neighbours."""
    steps = np.abs(np.diff(frames.astype(np.int16), axis=0)).max(-1) > CHANGED  # (T - 1, H, W)
    way = np.concatenate([[0], np.cumsum(steps.sum((1, 2)))])  # changed pixels from the first frame to each
    if not way[-1]:
        return np.linspace(0, len(frames) - 1, images).astype(np.int64)
    found = np.searchsorted(way, np.linspace(0, way[-1], images)).astype(np.int64)
    # A jump would be taken several times: no index comes twice where there are enough frames.
    number = np.arange(images)
    found = np.maximum.accumulate(found - number) + number
    return np.maximum(0, np.minimum(found, len(frames) - images + number))


def strip(arguments: Arguments) -> None:
    """Write the row of images. Raises UserError if there is no such film, or no such episode in it."""
    if arguments.png.suffix != ".png":
        raise UserError(f"{arguments.png} would be no image: name a file that ends in .png.")
    try:
        frames = iio.imread(arguments.video, plugin="FFMPEG")  # (frames, height, width, 3)
    except (OSError, ValueError) as error:
        raise UserError(f"{arguments.video} is not a film ({error}): name a video.mp4 of a run.") from None
    if arguments.images < 1 or arguments.steps < 1:
        raise UserError("--images and --steps are at least 1.")
    length = arguments.steps + 1
    first = arguments.episode * length
    if arguments.episode < 0 or first + length > len(frames):
        raise UserError(f"{arguments.video} holds {len(frames) // length} episodes, counted from 0.")
    episode = frames[first : first + length]
    try:
        taken = episode[chosen(episode, arguments.images)]
        iio.imwrite(arguments.png, np.concatenate(taken[:, ::2, ::2], axis=1))
    except (OSError, ValueError) as error:
        raise UserError(f"{arguments.png} cannot be written ({error}): name another image.") from None


def main(arguments: Sequence[str]) -> int:
    return command("analysis.filmstrip", __doc__, Arguments, strip, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
