"""What comes out of an encoder: `python -m experiments.feature_stats RUN [--steps 25]`.

Instead of a run it takes what train.py does, in one word: `"book-pixels --head flat"` is that configuration, untrained.

Mean, standard deviation, least and greatest of every number that the critic reads (and the actor, where it has no
encoder of its own), over scenes of the agent's own episodes; the SpatialSoftmax's temperature; how much of it is
saturated or not a number; and how far a random shift of the picture moves the encoder's output beside how far the
object's own motion within one step moves it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

import envs
from encoders import PixelEncoder
from encoders.heads import SpatialSoftmax
from envs.render import Renderer, object_columns
from experiments.command import command
from experiments.scenes import features, player_of, scenes
from replay.augment import random_offsets, shift
from training.player import Player

SATURATED = 0.97  # of Tanh, whose slope is 0.06 there
MOVED = 1e-3  # metres that the object moves in a step that counts
PAD = 4  # pixels of the shift, DrQ's


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[str]
    """A run's folder; or a preset and flags of train.py, in quotes, whose encoder is taken untrained."""
    steps: int = 25
    """Steps to play in each of the evaluation environments."""


@torch.no_grad()
def seen(player: Player, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """What an encoder's head makes of pictures, (N, F): points of a SpatialSoftmax, or the trunk's numbers; and what
    LayerNorm and Tanh make of that, where they follow."""
    encoder = player.agent.encoder
    assert isinstance(encoder, PixelEncoder)
    head = encoder.head(encoder.convolutions(pixels))
    name = "SpatialSoftmax" if isinstance(encoder.head, SpatialSoftmax) else "trunk"
    return {name: head} | ({"LayerNorm and Tanh": encoder.norm(head)} if player.config.feature_norm else {})


def noise_against_motion(
    player: Player, poses: np.ndarray, next_poses: np.ndarray
) -> tuple[dict[str, tuple[float, float]], int]:
    """How far the output of each part of `seen` moves, as a root mean square: under a random shift of up to PAD pixels,
    and when of all the scene only the object moves, as it did within the step (of stacked pictures, in the newest). And
    of how many steps that is."""
    stock, view = player.eval_envs.get_attr("stock")[0], player.config.view
    assert view is not None
    columns = object_columns(stock.model)
    moved = np.linalg.norm(next_poses[:, columns[:3]] - poses[:, columns[:3]], axis=1) > MOVED
    before, after = poses[moved], poses[moved].copy()
    after[:, columns] = next_poses[moved][:, columns]
    renderer = Renderer(stock.model, view)
    pictures = [np.zeros((len(before), *view.shape), np.uint8) for _ in range(2)]
    for some, out in zip((before, after), pictures, strict=True):
        renderer.draw(some, out)
    renderer.close()
    still = [pictures[0]] * (player.config.frame_stack - 1)
    first, second = (torch.from_numpy(np.concatenate([*still, newest], axis=-1)) for newest in pictures)
    shifted = shift(first, random_offsets(len(first), PAD, torch.Generator().manual_seed(0)), PAD)
    still_seen, shifted_seen, moved_seen = (seen(player, pixels) for pixels in (first, shifted, second))

    def distance(name: str, other: dict[str, torch.Tensor]) -> float:
        return (other[name] - still_seen[name]).square().mean().sqrt().item()

    return {name: (distance(name, shifted_seen), distance(name, moved_seen)) for name in still_seen}, len(before)


def run(arguments: Arguments) -> None:
    """Raises UserError if the run sees nothing."""
    player, console = player_of(arguments.run), Console()
    try:
        found = scenes(player, arguments.steps)
        values = features(player, found["pixels"], found["vector"])
        table = Table("input", "mean", "std", "min", "max")
        for number, column in enumerate(values.T):
            numbers = (column.mean(), column.std(), column.min(), column.max())
            table.add_row(str(number), *(f"{float(value):.3f}" for value in numbers))
        console.print(table)
        if (temperature := player.agent.softmax_temperature()) is not None:
            console.print(f"temperature of the SpatialSoftmax: {temperature.item():.3f}")
        *_, last = seen(player, torch.from_numpy(found["pixels"])).values()
        share = (last.abs() > SATURATED).float().mean()
        console.print(f"saturated (beyond {SATURATED}): {share:.1%} of the encoder's numbers")
        console.print(f"not a number: {int(values.isnan().sum())} of {values.numel()}")
        if envs.has_object(player.eval_envs.single_observation_space["observation"].shape[0]):  # type: ignore[index]
            distances, count = noise_against_motion(player, found["poses"], found["next_poses"])
            if not count:
                console.print("the object moved in none of these steps: try more --steps, or a trained run")
                return
            for name, (noise, motion) in distances.items():
                console.print(
                    f"{name}: a shift of up to {PAD} pixels moves the output by {noise:.3g} (root mean square), the "
                    f"object's motion in a step by {motion:.3g} ({count} steps in which it moved): "
                    f"{noise / motion:.1f} times"
                )
    finally:
        player.close()


def main(arguments: Sequence[str]) -> int:
    return command("feature_stats", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
