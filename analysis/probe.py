"""Where the block is, read off an encoder's features: `python -m analysis.probe RUN [RUN ...] [--episodes 20]`.

Instead of a run it takes what train.py does, in one word: `"push-pixels --encoder nature"` is that one, untrained, and
`"push-pixels --encoder pretrained --weights FILE --freeze"` a pretrained one. All of them see the same episodes, each
with its own cameras: guided pushes, then random actions.

The readout is a ridge regression from the features to the block's position. It is fitted to four fifths of the episodes
and tested on the rest, five times; its penalty is chosen within the four fifths, in the same way. Images of one episode
are so alike that tested on those it was fitted to it would only have to know the episode. Images of a block that fell
off the table are left out.

Rows: maps, all numbers that the convolutions give; features, what pooling, LayerNorm and Tanh make of them;
pretrained, the network's own features, before the Linear that is learned. "Nothing" is the error of the mean position.
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

ENVS = 10  # that play side by side
LENGTH = 50  # steps of an episode
EVERY = 6  # scenes, of which one is taken: neighbours show nearly the same
FOLDS = 5
PENALTIES = [10.0**power for power in range(-5, 2)]
CHUNK = 32  # images


@dataclass(frozen=True)
class Arguments:
    runs: tyro.conf.Positional[tuple[str, ...]]
    """Runs' folders; or presets with flags of train.py, each in quotes, whose encoders are taken as they begin."""
    episodes: int = 20
    """Episodes to play."""


@torch.no_grad()
def features(evaluator: Evaluator, pixels: Tensor) -> dict[str, Tensor]:
    """Features (N, F) of images (N, 84, 84, stack * 3 C), by what makes them."""
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
    """Which of the rows (N,) of `episode` (N,) to test on: whole episodes, each once."""
    numbers = episode.unique()
    for first in range(FOLDS):
        yield torch.isin(episode, numbers[first::FOLDS])


def ridge_errors(kernel: Tensor, outputs: Tensor, test: Tensor, penalty: float) -> Tensor:
    """Distances of a ridge regression's outputs from `outputs` (N, G) in the rows `test` (N,), fitted to all others.

    It is solved for a weight of each row, `kernel` (N, N) being their products: there are more features than rows.
    """
    fit, middle = ~test, outputs[~test].mean(0)
    system = kernel[fit][:, fit] + penalty * torch.eye(int(fit.sum()), dtype=kernel.dtype)
    predicted = kernel[test][:, fit] @ torch.linalg.solve(system, outputs[fit] - middle) + middle
    return (predicted - outputs[test]).norm(dim=1)


def readout_errors(inputs: Tensor, outputs: Tensor, episode: Tensor) -> Tensor:
    """Distances (N,) of the readout's outputs from the true ones, each of an episode that it was not fitted to, with
    the penalty that does best within those that it was.

    Args:
        inputs: features (N, F); of those that are all the same, the readout is the mean of the outputs.
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
    """Numbers (N,) of the episodes of scenes, which have a desired goal (N, 3) of their own each."""
    return torch.from_numpy(np.unique(goals, axis=0, return_inverse=True)[1].reshape(-1))


def on_table(height: Tensor, episode: Tensor) -> Tensor:
    """Where (N,) the block has not dropped since the first row of its episode: below the table no image shows it."""
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
    """Play as many episodes, the same ones for every agent with the same cameras, and take every few scenes of them."""
    found = scenes(evaluator, LENGTH * -(-episodes // ENVS), random_actions=1.0, guided_episodes=1.0)
    episode, position = episodes_of(found.obs["desired_goal"]), torch.from_numpy(found.obs["achieved_goal"])
    times = torch.arange(len(episode)) // ENVS
    rows = (episode < episodes) & (times % EVERY == 0) & on_table(position[:, 2], episode)
    return Shown(torch.from_numpy(found.obs[envs.PIXELS])[rows], position[rows], episode[rows])


def probe(name: str, episodes: int, played: dict[Hashable, Shown]) -> dict[str, Tensor]:
    """Readout errors (N,) in metres for what the encoder called `name` has; raises UserError if there is none.

    Args:
        played: by task and view, episodes that have been played; filled.
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
    """Raises UserError if there is nothing to look at."""
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
