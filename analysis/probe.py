"""Where the block is, read off an encoder's features: `python -m analysis.probe RUN [RUN ...] [--episodes 20]`.

RUN may also be arguments of train.py in quotes: `"push-pixels --encoder nature"` is an untrained encoder, and
`"push-pixels --encoder pretrained --weights FILE --freeze"` a pretrained one. All agents see the same episodes, each
with its own cameras: guided pushes, then random actions.

The readout is a ridge regression from the features to the block's position. It is fitted to four fifths of the episodes
and tested on the rest, five times; its penalty is chosen within the four fifths, in the same way. Images of one episode
are so alike that a readout tested on its own episodes would only have to recognise the episode. Images with the block
fallen off the table are left out.

Rows: maps, all outputs of the convolutions; features, the same after pooling, LayerNorm and Tanh; pretrained, the
network's own features, before the Linear that is learned; nothing, the error of the mean position.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

import envs
from analysis.command import command
from analysis.scenes import evaluator_of, scenes
from encoders import PixelEncoder, PretrainedEncoder
from training.errors import UserError
from training.evaluator import Evaluator
from training.rollout.evaluate import FALL

ENVS = 10  # environments that play side by side
LENGTH = 50  # steps of an episode
EVERY = 6  # scenes per taken one: neighbours show nearly the same
FOLDS = 5
PENALTIES = [10.0**power for power in range(-5, 2)]
CHUNK = 32  # images


@dataclass(frozen=True)
class Arguments:
    runs: tyro.conf.Positional[tuple[str, ...]]
    """Runs' folders; or presets with flags of train.py, each in quotes, for untrained encoders."""
    episodes: int = 20
    """Episodes to play."""


@torch.no_grad()
def features(evaluator: Evaluator, pixels: Tensor) -> dict[str, Tensor]:
    """Features (N, F) of images (N, 84, 84, stack * 3 C), by kind of row."""
    encoder, frozen = evaluator.agent.encoder, evaluator.policy.frozen
    parts = pixels.split(CHUNK)
    if isinstance(encoder, PretrainedEncoder):
        backbone = encoder.backbone if frozen is None else frozen
        assert backbone is not None
        return {"pretrained": torch.cat([backbone.embed(part) for part in parts])}
    assert isinstance(encoder, PixelEncoder)
    maps = [encoder.convolutions(part) for part in parts]
    read = torch.cat([encoder.norm(encoder.pooling(one)) for one in maps])
    return {"maps": torch.cat([one.flatten(1) for one in maps]), "features": read}


def folds(episode: Tensor) -> Iterator[Tensor]:
    """Yield masks (N,) of the rows to test on, by `episode` (N,): whole episodes, each tested once."""
    numbers = episode.unique()
    for first in range(FOLDS):
        yield torch.isin(episode, numbers[first::FOLDS])


def ridge_errors(kernel: Tensor, outputs: Tensor, test: Tensor, penalty: float) -> Tensor:
    """Distances between a ridge regression and `outputs` (N, G) in the rows `test` (N,), fitted to all other rows.

    Solved in dual form, by the rows' inner products, `kernel` (N, N): there are more features than rows.
    """
    fit, middle = ~test, outputs[~test].mean(0)
    system = kernel[fit][:, fit] + penalty * torch.eye(int(fit.sum()), dtype=kernel.dtype)
    predicted = kernel[test][:, fit] @ torch.linalg.solve(system, outputs[fit] - middle) + middle
    return (predicted - outputs[test]).norm(dim=1)


def readout_errors(inputs: Tensor, outputs: Tensor, episode: Tensor) -> Tensor:
    """Distances (N,) between readout and true outputs, in episodes outside the fit; the penalty is the best by
    cross-validation within the fitted episodes.

    Args:
        inputs: features (N, F); constant ones give the mean of the outputs.
        outputs: (N, G).
        episode: (N,), which rows belong together.
    """
    inputs, outputs = inputs.double(), outputs.double()
    errors = torch.empty(len(outputs), dtype=outputs.dtype)
    for test in folds(episode):
        fit = ~test
        variance, mean = torch.var_mean(inputs[fit], dim=0, correction=0)
        standard = (inputs - mean) / (variance.sqrt() + 1e-6)
        kernel = standard @ standard.T / inputs.shape[1]
        inner, known = kernel[fit][:, fit], outputs[fit]
        squares = [
            sum(ridge_errors(inner, known, one, penalty).square().sum() for one in folds(episode[fit]))
            for penalty in PENALTIES
        ]
        best = PENALTIES[int(torch.stack([torch.as_tensor(one) for one in squares]).argmin())]
        errors[test] = ridge_errors(kernel, outputs, test, best)
    return errors


def episodes_of(goals: NDArray[np.float64]) -> Tensor:
    """Episode numbers (N,) of scenes, from their desired goals (N, 3): each episode has a goal of its own."""
    return torch.from_numpy(np.unique(goals, axis=0, return_inverse=True)[1].reshape(-1))


def on_table(height: Tensor, episode: Tensor) -> Tensor:
    """Mask (N,) of rows whose block has not dropped since the episode began: below the table no image shows it."""
    begun = torch.empty_like(height)
    for number in episode.unique():
        begun[episode == number] = height[episode == number][0]
    return height > begun - FALL


class Shown(NamedTuple):
    """N images of some episodes, and where the block is in each."""

    pixels: Tensor  # (N, 84, 84, stack * 3 C) uint8
    position: Tensor  # (N, 3) float64
    episode: Tensor  # (N,) int64


def show(evaluator: Evaluator, episodes: int) -> Shown:
    """Play `episodes`, the same ones for every agent with the same cameras, and take every few scenes of them."""
    found = scenes(evaluator, LENGTH * -(-episodes // ENVS), random_actions=1.0, guided_episodes=1.0)
    episode, position = episodes_of(found.obs["desired_goal"]), torch.from_numpy(found.obs["achieved_goal"])
    times = torch.arange(len(episode)) // ENVS
    rows = (episode < episodes) & (times % EVERY == 0) & on_table(position[:, 2], episode)
    return Shown(torch.from_numpy(found.obs[envs.PIXELS])[rows], position[rows], episode[rows])


def probe(name: str, episodes: int, played: dict[Hashable, Shown]) -> dict[str, Tensor]:
    """Readout errors (N,) in metres by kind of row, for the encoder of `name`. Raises UserError if there is none.

    Args:
        played: episodes played before, by task and view; new ones are added.
    """
    evaluator = evaluator_of(name, num_envs=ENVS, seed=0)
    try:
        config = evaluator.config
        view = config.env_id, config.view, config.frame_stack
        if view not in played:
            played[view] = show(evaluator, episodes)
        pixels, position, episode = played[view]
        read = {"nothing": torch.zeros(len(position), 1)} | features(evaluator, pixels)
        return {kind: readout_errors(inputs, position, episode) for kind, inputs in read.items()}
    finally:
        evaluator.close()


def run(arguments: Arguments) -> None:
    """Print the errors of all readouts. Raises UserError if there is nothing to look at."""
    if not arguments.runs:
        raise UserError("name one run or more, or presets in quotes.")
    if not FOLDS <= arguments.episodes <= 1000:
        raise UserError(f"--episodes is {arguments.episodes}: it must be at least {FOLDS} and at most 1000.")
    table = Table("encoder", "read off", "median cm", "90% cm", "rms cm")
    played: dict[Hashable, Shown] = {}
    for name in arguments.runs:
        for kind, errors in probe(name, arguments.episodes, played).items():
            numbers = (errors.median(), errors.quantile(0.9), errors.square().mean().sqrt())
            table.add_row(name, kind, *(f"{100 * float(number):.2f}" for number in numbers))
    Console(markup=False).print(table)


def main(arguments: Sequence[str]) -> int:
    return command("analysis.probe", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
