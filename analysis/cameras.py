"""How well cameras show the object: `python -m analysis.cameras RUN|PRESET [--guided-episodes 1] [--at-goals]`.

Plays the agent's own episodes and finds the object's pixels in each camera's image: those that differ between renders
with and without the object. Prints per camera, and per pair of cameras, the fraction of frames with fewer than FEWEST
such pixels (in both cameras); per camera also their number and the object's width. Frames with the object fallen off
the table do not count.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from analysis.command import command
from analysis.scenes import evaluator_of, scenes
from envs import CAMERAS, CameraConfig, check_cameras, check_view, find_spec
from envs.rendering.renderer import Renderer, object_columns
from training.errors import UserError
from training.rollout.evaluate import FALL

FEWEST = 4  # pixels; with fewer, the object counts as hidden


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[str]
    """A run's folder, or a preset, for an untrained agent."""
    cameras: tuple[str, ...] = tuple(CAMERAS)
    """Cameras to look through: names, or free ones as train.py's --cameras takes them."""
    steps: int = 50
    """Steps to play in each of the evaluation environments."""
    random_actions: float = 0.0
    """Probability of a uniformly random action instead of the agent's."""
    guided_episodes: float = 0.0
    """Fraction of episodes that begin with a scripted push or grasp."""
    at_goals: bool = False
    """Put the object at another sampled goal in each frame, the arm staying in place: can the object be seen there?"""


def object_masks(poses: NDArray[np.float64], stock: object, cameras: tuple[str, ...]) -> NDArray[np.bool_]:
    """Whether a pixel shows the object, in each camera's image of each pose, (N, SIZE, SIZE, cameras)."""
    images = []
    for hidden in ((), ("object0",)):
        renderer = Renderer(stock.model, CameraConfig(cameras), hide=hidden)  # type: ignore[attr-defined]
        out = np.zeros((len(poses), *CameraConfig(cameras).shape), np.uint8)
        renderer.render(poses, out)
        renderer.close()
        images.append(out)
    return (images[0] != images[1]).reshape(*images[0].shape[:3], len(cameras), 3).any(-1)


def widths(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Width of the object in pixels, from its leftmost to its rightmost column, 0 if hidden, (N, cameras)."""
    columns = np.any(masks, axis=1)  # (N, SIZE, cameras)
    left, right = columns.argmax(1), columns.shape[1] - columns[:, ::-1].argmax(1)
    return np.where(np.any(columns, axis=1), right - left, 0)


def run(arguments: Arguments) -> None:
    """Print how well cameras show the object. Raises UserError for a run without images, a task without object, or an
    unknown camera."""
    cameras, evaluator = arguments.cameras, evaluator_of(arguments.run)
    try:
        _check(cameras, evaluator.config.env_id)
        stock = evaluator.eval_envs.get_attr("stock")[0]
        if not stock.has_object:
            raise UserError(
                f"{evaluator.config.env_id} has no object that could be hidden: name a run of another task."
            )
        poses = scenes(evaluator, arguments.steps, arguments.random_actions, arguments.guided_episodes).poses
        position = object_columns(stock.model)[:3]
        if arguments.at_goals:
            poses[:, position] = [stock._sample_goal() for _ in poses]
        fallen = poses[:, position[2]] < stock.height_offset - FALL
        masks = object_masks(poses[~fallen], stock, cameras)
    finally:
        evaluator.close()
    counts, wide = masks.sum((1, 2)), widths(masks)
    hidden = counts < FEWEST
    table = Table("cameras", f"hidden (fewer than {FEWEST} pixels)", "pixels, median", "lowest tenth", "width, median")
    for number, name in enumerate(cameras):
        column = counts[:, number]
        fraction, tenth, width = hidden[:, number].mean(), np.quantile(column, 0.1), np.median(wide[:, number])
        table.add_row(name, f"{fraction:.1%}", f"{np.median(column):.0f}", f"{tenth:.0f}", f"{width:.0f}")
    for (one, name), (other, second) in itertools.combinations(enumerate(cameras), 2):
        table.add_row(f"{name} and {second}", f"{(hidden[:, one] & hidden[:, other]).mean():.1%}", "", "", "")
    console = Console()
    console.print(table)
    console.print(f"{len(counts)} frames of {arguments.run}, and {fallen.sum()} in which the object has fallen")


def _check(cameras: tuple[str, ...], env_id: str) -> None:
    """Raise UserError if the task has no such cameras."""
    try:
        check_cameras(cameras)
        check_view(find_spec(env_id), CameraConfig(cameras))
    except ValueError as error:
        raise UserError(f"--cameras: {error}") from None


def main(arguments: Sequence[str]) -> int:
    return command("analysis.cameras", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
