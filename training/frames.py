"""Frames for training an autoencoder: images of random and guided episodes, and the object's position in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import envs
from training.rollout.evaluate import FALL
from training.rollout.exploration import Explorer

if TYPE_CHECKING:
    from envs import GoalImages

ENVS = 8  # environments that play side by side
# Steps of an episode: a guided push takes 14 at most. Longer episodes would show fewer positions of the object, most of
# them initial ones: R2 of the gate was at most 0.77 with 4,000 images of 672 episodes (experiments/results).
LENGTH = 16
EVERY = 4  # steps per kept frame: neighbours show nearly the same
GUIDED = 0.5  # fraction of episodes that begin with a guided push; the others move the object in one of six


class Frames(NamedTuple):
    """N images of many short episodes, the robot's own numbers, and labels that the autoencoder does not see."""

    pixels: NDArray[np.uint8]  # (N, 84, 84, 3 C)
    proprioception: NDArray[np.float32]  # (N, 10)
    position: NDArray[np.float64]  # (N, 3) metres, of the object
    pose: NDArray[np.float64]  # (N, P), as `envs.FetchEnv.pose` returns it
    episode: NDArray[np.int64]  # (N,) number of the episode
    on_table: NDArray[np.bool_]  # (N,) whether the object has not dropped since its episode began


def play(env_id: str, images: GoalImages, count: int, seed: int, tell: Callable[[int], object] = int) -> Frames:
    """Play until there are `count` frames, the same ones for the same seed. Only kept frames are rendered.

    `tell` is called with the number of frames so far.
    """
    vec = envs.make_vec(env_id, ENVS, workers=0, seed=seed, max_episode_steps=LENGTH)
    actions = int(np.prod(vec.single_action_space.shape or ()))
    grasps = not vec.get_attr("block_gripper")[0]
    explorer = Explorer(ENVS, actions, 1.0, GUIDED, grasps, torch.device("cpu"), seed)
    obs, _ = vec.reset()
    everywhere = torch.arange(ENVS)
    found: list[Frames] = []
    for step in range(-(-count // ENVS) * EVERY):
        if step % LENGTH == 0:
            explorer.begin(everywhere, success_rate=0.0)
            begun = obs["achieved_goal"][:, 2].copy()
        if step % EVERY == 0:
            position = obs["achieved_goal"].copy()
            pose = np.stack(vec.call("pose"))
            episode = step // LENGTH * ENVS + np.arange(ENVS)
            own = envs.take(obs["observation"], envs.PROPRIOCEPTION).astype(np.float32)
            found.append(Frames(images.render(pose), own, position, pose, episode, position[:, 2] > begun - FALL))
            tell(len(found) * ENVS)
        to_object = torch.from_numpy(envs.take(obs["observation"], ["object_rel_pos"])).float()
        obs = vec.step(explorer.explore(None, to_object).numpy())[0]  # Fetch episodes end at LENGTH, all together
    vec.close()
    return Frames(*(np.concatenate(parts)[:count] for parts in zip(*found, strict=True)))
