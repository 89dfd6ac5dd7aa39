"""Settings of images: cameras by name, size, and hidden parts. No torch and no GL is imported here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Camera(NamedTuple):
    """A free camera of MuJoCo's: degrees and metres."""

    distance: float
    azimuth: float
    elevation: float
    lookat: tuple[float, float, float]


_TABLE = (1.32, 0.75, 0.45)  # the middle of where blocks and goals lie, a little above the table's top
_AIR = (1.32, 0.75, 0.6)  # the same for PickAndPlace, where half of the goals are up to 45 cm above the table
_LONG_TABLE = (1.35, 0.75, 0.42)  # the same for Slide, whose table is 1.25 m long

CAMERAS = {
    "default": Camera(2.5, 132.0, -14.0, (1.3, 0.75, 0.55)),  # gymnasium-robotics'
    "close": Camera(1.0, 132.0, -35.0, _TABLE),
    "mirror": Camera(1.0, 228.0, -35.0, _TABLE),  # close, from the robot's other side
    "front": Camera(1.0, 180.0, -35.0, _TABLE),
    "side": Camera(1.0, 90.0, -35.0, _TABLE),
    "above": Camera(1.0, 180.0, -75.0, _TABLE),
    "high": Camera(1.0, 132.0, -30.0, _AIR),
    "high-mirror": Camera(1.0, 228.0, -30.0, _AIR),
    "wide": Camera(1.4, 132.0, -45.0, _LONG_TABLE),
    "wide-mirror": Camera(1.4, 228.0, -45.0, _LONG_TABLE),
}

PIXELS = "pixels"  # the key of an image among the observations
POSE = "pose"  # the key of the numbers that an image depends on, in the shared memory only
SIZE = 84  # pixels: height and width of the images that the networks read


@dataclass(frozen=True)
class CameraConfig:
    """Settings with which environments are rendered.

    Args:
        cameras: names of `CAMERAS` (of the Fetch tasks) or of the model's own cameras, or free ones (`free_camera`);
            their images are stacked as channels, in this order.
        render_size: pixels per side of the rendered image; other than SIZE, the image is resized as in the chapter
            (PIL, bilinear).
        goal_marker: render the red ball at the goal. The ball shows the environment's goal, and so contradicts
            relabelled goals.
        msaa: smooth edges (4 samples per pixel).
        one_process: have one process render all environments, instead of each worker its own.
        hide: names of sites, geoms or bodies to leave out: in other tasks than Fetch, whatever shows the goal.
    """

    cameras: tuple[str, ...] = ("default",)
    render_size: int = SIZE
    goal_marker: bool = False
    msaa: bool = False
    one_process: bool = False
    hide: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (SIZE, SIZE, 3 C) of uint8 images, channels last, so that no later step has to transpose."""
        return SIZE, SIZE, 3 * len(self.cameras)


def free_camera(name: str) -> Camera | None:
    """Parse a camera of six numbers, "distance,azimuth,elevation,x,y,z" in metres and degrees; None for a plain name.

    Raises ValueError for anything else with a comma.
    """
    if "," not in name:
        return None
    try:
        distance, azimuth, elevation, *lookat = (float(number) for number in name.split(","))
        x, y, z = lookat
    except ValueError:
        raise ValueError(
            f"'{name}' is no camera: a free one has six numbers, distance,azimuth,elevation,x,y,z, and names stand "
            "apart: --cameras close mirror."
        ) from None
    if not (all(map(math.isfinite, (distance, azimuth, elevation, x, y, z))) and distance > 0):
        raise ValueError(f"'{name}' is no camera: its numbers must be finite, and its distance above 0.")
    return Camera(distance, azimuth, elevation, (x, y, z))


def check_cameras(names: Sequence[str]) -> None:
    """Raise ValueError unless `names` are one or more different cameras; whether a model has them is checked later."""
    for name in names:
        free_camera(name)
    if not names or len(set(names)) < len(names):
        raise ValueError("Name one or more different cameras.")
