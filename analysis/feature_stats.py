"""Statistics of an encoder's features: `python -m analysis.feature_stats RUN [--steps 25]`.

RUN may also be arguments of train.py in quotes, as in `"book-pixels --pooling flat"`, for an untrained agent. A run
plays its own episodes. An untrained agent explores: each episode opens with a guided push or grasp and goes on with
random actions, for otherwise the object hardly ever moves. Its normalisers are shown these scenes.

1. Inputs: mean, standard deviation, minimum and maximum of each input of the critic (and of the actor, unless it has an
   encoder of its own), as the networks read it; then whether the encoder is saturated.
2. Signal: the vector from the gripper to the object in metres, and how far it moves each input. Each scene is compared
   with one of another environment, and with itself when only the object lies as in the other (the robot and the desired
   goal stay). The fraction is an input's part of the squared distance by which moving the object alone moves all
   inputs. If the pixels have a small fraction, another input tells the networks the same, louder.
3. Noise: how far a random shift of the images (DrQ) moves the encoder's output, beside how far that moves from step to
   step, from scene to scene, and with the object alone. The TD error sees the difference between two observations.

All distances are root mean squares over scenes and numbers. NaN: the object never moved, or the output never changes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

from analysis.command import command
from analysis.features import (
    ELSEWHERE,
    PAD,
    SCENES,
    SHIFT,
    UNREAD,
    AtRest,
    Distances,
    add_object,
    at_rest,
    noise,
    ratio,
    signal,
    with_pixels,
)
from analysis.scenes import Scenes, evaluator_of, is_run, scenes, way_to_object
from encoders.pixels import PixelEncoder, softmax_temperature
from envs.layout import REACH_FIELDS
from training.errors import UserError
from training.evaluator import Evaluator

SATURATED = 0.97  # of Tanh, whose slope is 0.06 there


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[str]
    """A run's folder; or a preset and flags of train.py, in quotes, for an untrained agent."""
    steps: int = 25
    """Steps to play in each evaluation environment; there are as many as --num-envs."""


def statistics(title: str, rows: Mapping[str, Tensor]) -> Table:
    """Table of mean, standard deviation, minimum and maximum over all numbers of each row."""
    table = Table(title, "dim", "mean", "std", "min", "max")
    for name, values in rows.items():
        numbers = (values.mean(), values.std(correction=0), values.min(), values.max())
        table.add_row(name, str(values.shape[1]), *(f"{float(number):.3g}" for number in numbers))
    return table


def with_fields(rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add to the rows, after the 10 numbers of proprioception, one row per field of these."""
    named: dict[str, Tensor] = {}
    for name, values in rows.items():
        named[name] = values
        if name == "proprioception":
            parts = values.split([size for _, size in REACH_FIELDS], dim=1)  # Reach observes these and no more
            named |= {f"  {field}": part for (field, _), part in zip(REACH_FIELDS, parts, strict=True)}
    return named


def input_report(evaluator: Evaluator, found: Scenes, console: Console) -> None:
    rows = with_pixels(evaluator, found.obs)
    whole = torch.cat([values for name, values in rows.items() if name != UNREAD], dim=1)
    console.print(statistics("input", with_fields(rows) | {"concatenated": whole}))
    if UNREAD in rows:
        console.print(f"{UNREAD}: not read themselves, but what the goal regression estimates from them")
    if (temperature := softmax_temperature(evaluator.agent.encoder)) is not None:
        console.print(f"temperature of the SpatialSoftmax: {temperature:.3f}")
    pixels = next(iter(rows.values()))
    fraction = (pixels.abs() > SATURATED).float().mean()
    console.print(f"saturated (beyond {SATURATED}): {fraction:.1%} of the encoder's numbers")
    console.print(f"not a number: {int(whole.isnan().sum())} of {whole.numel()}")


def signal_report(evaluator: Evaluator, rest: AtRest, console: Console) -> None:
    way = way_to_object(rest.here)
    assert way is not None
    rows = {"distance": way.norm(dim=1, keepdim=True)} | dict(zip("xyz", way.split(1, dim=1), strict=True))
    console.print(statistics("gripper to object, metres", rows))
    table = Table("signal", "two scenes", "object elsewhere", "fraction")
    for name, (scenes_differ, elsewhere, fraction) in signal(evaluator, rest).items():
        read = "not read" if name == UNREAD else f"{fraction:.2%}"
        table.add_row(name, f"{scenes_differ:.3g}", f"{elsewhere:.3g}", read)
    console.print(table)


def noise_report(distances: Distances, console: Console) -> None:
    table = Table(f"shifts of up to {PAD} pixels", *distances)
    for row in next(iter(distances.values())):
        table.add_row(row, *(f"{of[row]:.3g}" for of in distances.values()))
    console.print(table)
    for name, of in distances.items():
        for row in (SCENES, ELSEWHERE):
            if row in of:
                times = ratio(of[SHIFT], of[row])
                console.print(f"{name}: {SHIFT} / {row} = {times:.1f}", highlight=False)


def run(arguments: Arguments) -> None:
    """Print the report. Raises UserError if the agent sees no images, or has a pretrained encoder."""
    evaluator, console = evaluator_of(arguments.run), Console()
    try:
        if not isinstance(evaluator.agent.encoder, PixelEncoder):
            raise UserError(f"{arguments.run} has a pretrained encoder: python -m analysis.probe says what that gives.")
        explores = {} if is_run(arguments.run) else {"random_actions": 1.0, "guided_episodes": 1.0}
        found = scenes(evaluator, arguments.steps, **explores)
        if explores:
            evaluator.agent.update_normalizers(*evaluator.policy.without_images(found.obs).vectors)
        actions = "guided and random actions of an untrained agent" if explores else "its own actions"
        console.print(f"{len(found.poses)} scenes of {evaluator.eval_envs.num_envs} environments: {actions}")
        input_report(evaluator, found, console)
        distances = noise(evaluator, found)
        if way_to_object(found.obs) is not None:
            rest = at_rest(evaluator, found)
            signal_report(evaluator, rest, console)
            add_object(evaluator, found, rest, distances)
        noise_report(distances, console)
    finally:
        evaluator.close()


def main(arguments: Sequence[str]) -> int:
    return command("analysis.feature_stats", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
