"""Features of a pixel encoder in an agent's scenes: the networks' inputs, and how far shifts and the object move them.

All distances are root mean squares over scenes and numbers, in the units of the networks' inputs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import envs
from analysis.scenes import Scenes
from encoders import PixelEncoder
from encoders.pooling import SpatialSoftmax
from envs.rendering.renderer import Renderer, object_columns
from replay.augment import random_offsets, shift
from training.evaluator import Evaluator
from training.rollout.policy import RawObservation

MOVED = 1e-3  # metres; a step that moves the object less does not count
PAD = 4  # pixels of the shift, DrQ's
UNREAD = "(pixels)"
SHIFT, SCENES, ELSEWHERE = "shift: an observation", "real: two scenes", "real: object elsewhere"

Distances = dict[str, dict[str, float]]  # part of `seen` -> kind of change -> distance


class AtRest(NamedTuple):
    """N scenes in which nothing moves: a stack repeats one image."""

    here: RawObservation
    there: RawObservation  # other scenes
    elsewhere: RawObservation  # as here, but for the object, which lies as there


@torch.no_grad()
def seen(evaluator: Evaluator, pixels: NDArray[np.uint8] | Tensor) -> dict[str, Tensor]:
    """Outputs (N, F) of an encoder for images (N, 84, 84, stack * 3 C): after pooling, and after LayerNorm and
    Tanh, where they follow."""
    encoder = evaluator.agent.encoder
    assert isinstance(encoder, PixelEncoder)
    pooled = encoder.pooling(encoder.convolutions(torch.as_tensor(pixels)))
    name = "SpatialSoftmax" if isinstance(encoder.pooling, SpatialSoftmax) else "trunk"
    return {name: pooled} | ({"LayerNorm and Tanh": encoder.norm(pooled)} if evaluator.config.feature_norm else {})


@torch.no_grad()
def inputs(evaluator: Evaluator, obs: RawObservation) -> dict[str, Tensor]:
    """Inputs of actor and critic, without the action, for N observations: by name and in order, (N, dim) each."""
    config, agent = evaluator.config, evaluator.agent
    space = evaluator.eval_envs.single_observation_space
    assert isinstance(agent.encoder, PixelEncoder)
    sizes = {} if config.goal_input == "replace" else {"pixels": agent.encoder.pooling.out}
    for part in config.layout.vector:
        sizes[part.replace("_", " ")] = envs.vector_size(space, config.layout._replace(vector=(part,)))
    if config.latent_input != "off":
        sizes["latent of the image"] = evaluator.goal_size
    if config.goal_motion:  # 0, for a scene is a single moment
        sizes["motion of the estimate"] = evaluator.goal_size
    if config.goal_input != "off":
        sizes["estimate of the achieved goal"] = evaluator.goal_size
    minus = " - estimate" if config.goals_from_estimate else " - achieved goal" if config.goals_from_achieved else ""
    sizes["desired goal" + minus] = evaluator.goal_size
    shown = evaluator.policy.without_images(obs)
    features = agent.encode(shown.obs | {"pixels": torch.from_numpy(obs[envs.PIXELS])})
    read = agent.state(agent.with_estimate(features), shown.goal)
    return dict(zip(sizes, read.split(list(sizes.values()), dim=1), strict=True))


def with_pixels(evaluator: Evaluator, obs: RawObservation) -> dict[str, Tensor]:
    """`inputs`, preceded by the encoder's output if the networks read only an estimate made from it."""
    read = inputs(evaluator, obs)
    return read if "pixels" in read else {UNREAD: list(seen(evaluator, obs[envs.PIXELS]).values())[-1]} | read


def still(evaluator: Evaluator, newest: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stacks (N, 84, 84, stack * 3 C) that repeat one image (N, 84, 84, 3 C)."""
    return np.tile(newest, evaluator.config.frame_stack)


def with_object_at(evaluator: Evaluator, poses: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Images (N, 84, 84, 3 C) of poses (N, P), the object alone placed as in `others` (N, P)."""
    stock, view = evaluator.eval_envs.get_attr("stock")[0], evaluator.config.view
    assert view is not None
    columns, poses = object_columns(stock.model), poses.copy()
    poses[:, columns] = others[:, columns]
    images = np.zeros((len(poses), *view.shape), np.uint8)
    renderer = Renderer(stock.model, view)
    renderer.render(poses, images)
    renderer.close()
    return images


def newest(evaluator: Evaluator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The last image (N, 84, 84, 3 C) of each stack."""
    return pixels[..., -pixels.shape[-1] // evaluator.config.frame_stack :]


def rms(difference: Tensor) -> float:
    """Root mean square of all numbers; NaN of none."""
    return difference.double().square().mean().sqrt().item()


def ratio(one: float, other: float) -> float:
    """Quotient; NaN for division by 0, as for an encoder whose output never changes."""
    return one / other if other else math.nan


def at_rest(evaluator: Evaluator, found: Scenes) -> AtRest:
    """The scenes at rest, each with the scene of the next row, which is of another environment."""
    here = found.obs | {envs.PIXELS: still(evaluator, newest(evaluator, found.obs[envs.PIXELS]))}
    there = {name: np.roll(values, -1, axis=0) for name, values in here.items()}
    images = with_object_at(evaluator, found.poses, np.roll(found.poses, -1, axis=0))
    return AtRest(here, there, here | {"achieved_goal": there["achieved_goal"], envs.PIXELS: still(evaluator, images)})


def signal(evaluator: Evaluator, rest: AtRest) -> dict[str, tuple[float, float, float]]:
    """Per input of `with_pixels`: its distance to the other scene, its distance when the object alone lies as in the
    other scene, and its fraction of the squared distance by which the object alone moves all inputs that are read."""
    here, there, moved = (with_pixels(evaluator, obs) for obs in rest)
    energy = {name: rms(moved[name] - read) ** 2 * read.shape[1] for name, read in here.items()}
    whole = sum(energy[name] for name in energy if name != UNREAD)
    return {
        name: (rms(there[name] - read), rms(moved[name] - read), ratio(energy[name], whole))
        for name, read in here.items()
    }


def noise(evaluator: Evaluator, found: Scenes) -> Distances:
    """Distances made by random shifts, and distances between real observations."""
    first, second = (torch.from_numpy(obs[envs.PIXELS]) for obs in (found.obs, found.next_obs))
    generator = torch.Generator().manual_seed(0)
    offset, own = (random_offsets(len(first), PAD, generator) for _ in range(2))
    plain, plain_next = seen(evaluator, first), seen(evaluator, second)
    shifted, shifted_next, alike = (
        seen(evaluator, shift(pixels, by, PAD)) for pixels, by in ((first, offset), (second, own), (second, offset))
    )
    return {
        name: {
            SHIFT: rms(shifted[name] - here),
            "shift: the next observation": rms(shifted_next[name] - plain_next[name]),
            "shift: difference, an offset each": rms(shifted_next[name] - shifted[name] - step),
            "shift: difference, one offset": rms(alike[name] - shifted[name] - step),
            "real: an observation and the next": rms(step),
            SCENES: rms(here.roll(-1, dims=0) - here),
        }
        for name, here in plain.items()
        for step in [plain_next[name] - here]
    }


def object_motion(evaluator: Evaluator, found: Scenes) -> tuple[dict[str, float], int]:
    """Distances made by the object's own motion within a step, while all else in the scene stays (in a stack, the
    newest image changes); over the steps in which the object moved. And the number of these steps."""
    columns = object_columns(evaluator.eval_envs.get_attr("stock")[0].model)[:3]
    moved = np.linalg.norm(found.next_poses[:, columns] - found.poses[:, columns], axis=1) > MOVED
    before = still(evaluator, newest(evaluator, found.obs[envs.PIXELS][moved]))
    after = before.copy()
    newest(evaluator, after)[:] = with_object_at(evaluator, found.poses[moved], found.next_poses[moved])
    plain, later = seen(evaluator, before), seen(evaluator, after)
    return {name: rms(later[name] - plain[name]) for name in plain}, int(moved.sum())


def add_object(evaluator: Evaluator, found: Scenes, rest: AtRest, distances: Distances) -> None:
    """Add the distances made by the object alone: placed as in another scene, and by its own motion."""
    here, _, elsewhere = (seen(evaluator, obs[envs.PIXELS]) for obs in rest)
    motion, count = object_motion(evaluator, found)
    for name, of in distances.items():
        of[ELSEWHERE] = rms(elsewhere[name] - here[name])
        of[f"real: its own motion ({count} of {len(found.poses)} steps)"] = motion[name]
