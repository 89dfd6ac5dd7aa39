"""From which cameras the object is hidden: `python -m analysis.cameras RUN|PRESET [--random-actions 0.3]`.

In the agent's own episodes, counts the object's pixels in each camera's image: rendered with the object and without it,
those that differ. Prints for each camera, and for each pair of them, in how many frames fewer than FEWEST show.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from analysis.command import command
from analysis.scenes import evaluator_of, scenes
from envs import CAMERAS, CameraConfig
from envs.rendering.renderer import Renderer
from training.errors import UserError

FEWEST = 4  # pixels: below, the object counts as hidden


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[str]
    """A run's folder, or a preset, which acts untrained."""
    steps: int = 50
    """Steps to play in each of the evaluation environments."""
    random_actions: float = 0.0
    """Probability of a uniformly random action instead of the agent's."""


def object_pixels(poses: np.ndarray, stock: object) -> np.ndarray:
    """Pixels of the object in each camera's image of each pose, (N, cameras)."""
    names = tuple(CAMERAS)
    images = []
    for hidden in ((), ("object0",)):
        renderer = Renderer(stock.model, CameraConfig(names), hide=hidden)  # type: ignore[attr-defined]
        out = np.zeros((len(poses), *CameraConfig(names).shape), np.uint8)
        renderer.render(poses, out)
        renderer.close()
        images.append(out)
    differ = (images[0] != images[1]).reshape(*images[0].shape[:3], len(names), 3).any(-1)
    return differ.sum((1, 2))


def run(arguments: Arguments) -> None:
    """Raises UserError if the run sees nothing, or its task has no object."""
    evaluator = evaluator_of(arguments.run)
    try:
        stock = evaluator.eval_envs.get_attr("stock")[0]
        if not stock.has_object:
            raise UserError(
                f"{evaluator.config.env_id} has no object that could be hidden: name a run of another task."
            )
        counts = object_pixels(scenes(evaluator, arguments.steps, arguments.random_actions).poses, stock)
    finally:
        evaluator.close()
    hidden = counts < FEWEST
    table = Table("cameras", f"hidden (fewer than {FEWEST} pixels)", "pixels, median", "lowest tenth")
    for number, name in enumerate(CAMERAS):
        column = counts[:, number]
        share, tenth = hidden[:, number].mean(), np.quantile(column, 0.1)
        table.add_row(name, f"{share:.1%}", f"{np.median(column):.0f}", f"{tenth:.0f}")
    for (one, name), (other, second) in itertools.combinations(enumerate(CAMERAS), 2):
        table.add_row(f"{name} and {second}", f"{(hidden[:, one] & hidden[:, other]).mean():.1%}", "", "")
    console = Console()
    console.print(table)
    console.print(f"{len(counts)} frames of {arguments.run}")


def main(arguments: Sequence[str]) -> int:
    return command("analysis.cameras", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
