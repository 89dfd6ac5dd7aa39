"""The agent as the environments see it: observations in, actions out, both numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

import envs
from agent import Agent
from agent.agent import Acted
from encoders import Backbone
from goals import GoalSpace

RawObservation = dict[str, NDArray[Any]]  # as a vector environment returns it


class PolicyInput(NamedTuple):
    """Network inputs of N environments, on the agent's device."""

    obs: dict[str, Tensor]  # by name, as `replay.batch.Observation`; images are stacked
    goal: Tensor  # (N, G) float32
    achieved_goal: Tensor  # (N, G) float32, for its normaliser and for errors of estimates; the networks do not read it

    @property
    def vectors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Vector, goal and achieved goal: the inputs of normalisers."""
        return self.obs["vector"], self.goal, self.achieved_goal


Goals = tuple[Tensor, Tensor]  # achieved and desired

Blindfold = Literal["black", "another"]

# Images (N, H, W, C) -> images shown in their place: black ones, or those of another environment's episode.
BLINDFOLDS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "black": np.zeros_like,
    "another": lambda images: np.roll(images, 1, axis=0),
}


class FrameStack:
    """The latest images of each environment, stacked as channels, the newest last; and the latest estimates.

    At the start of an episode, its first image is repeated, as in `Ring`.
    """

    def __init__(self, stack: int) -> None:
        self.stack = stack
        self.pixels = torch.empty(0, dtype=torch.uint8)  # (N, H, W, stack * C)
        self.estimate: Tensor | None = None  # (N, G)

    def push(self, images: Tensor | NDArray[np.uint8], opens: NDArray[np.bool_]) -> Tensor:
        """Add the next images (N, H, W, C), or their features (N, E), and return the stacks. `opens` (N,) is true where
        an episode begins."""
        newest = torch.as_tensor(images)
        if self.stack > 1:
            first = torch.from_numpy(opens).view(-1, *[1] * (newest.ndim - 1))
            repeated = torch.cat([newest] * self.stack, dim=-1)
            older = self.pixels[..., newest.shape[-1] :] if len(self.pixels) else repeated[..., newest.shape[-1] :]
            newest = torch.where(first, repeated, torch.cat([older, newest], dim=-1))
        self.pixels = newest
        return newest

    def push_estimate(self, estimate: Tensor, opens: NDArray[np.bool_]) -> Tensor:
        """Add the next estimates (N, G); returns the previous ones, or the new ones where an episode begins."""
        first = torch.from_numpy(opens).to(estimate.device)[:, None]
        before = estimate if self.estimate is None else torch.where(first, estimate, self.estimate)
        self.estimate = estimate
        return before


class Policy:
    """Joins an agent with an observation layout and an action space.

    Args:
        agent: acts in [-1, 1].
        layout: the networks' inputs.
        goal_space: turns observations into goals.
        subtract_achieved: show the desired goal relative to the achieved one.
        frame_stack: number of images that are shown together.
        action_space: of one environment; actions are scaled to its bounds.
        estimates: estimate the achieved goal as soon as an image is observed, for acting and for the replay.
        motion: show the previous estimate beside the new one.
        frozen: makes features of each image; the agent reads these as "embedding" instead of the image.
        latent_input: append the achieved goal, which is made from the image, to the vector.
    """

    def __init__(
        self,
        agent: Agent,
        layout: envs.Layout,
        goal_space: GoalSpace,
        subtract_achieved: bool,
        frame_stack: int,
        action_space: spaces.Box,
        estimates: bool = False,
        motion: bool = False,
        frozen: Backbone | None = None,
        latent_input: bool = False,
    ) -> None:
        self.agent, self.layout, self.goal_space, self.estimates = agent, layout, goal_space, estimates
        self.motion, self.frozen, self.latent_input = motion, frozen, latent_input
        self.subtract_achieved, self.frame_stack, self.action_space = subtract_achieved, frame_stack, action_space
        low, high = (bound.astype(np.float64) / 2 for bound in (action_space.low, action_space.high))
        self.middle, self.half_range = high + low, high - low  # of halves: large bounds do not add up to infinity

    def new_frames(self) -> FrameStack:
        """Empty stack of images, for one vector of environments."""
        return FrameStack(self.frame_stack)

    def observe(
        self,
        obs: RawObservation,
        frames: FrameStack,
        opens: NDArray[np.bool_],
        blindfold: Blindfold | None = None,
        goals: Goals | None = None,
    ) -> PolicyInput:
        """Network inputs for `obs`; `opens` (N,) is true where an episode has just begun; `goals` as of
        `without_images`."""
        if blindfold is not None:  # before latents are made of the images
            obs = obs | {envs.PIXELS: BLINDFOLDS[blindfold](obs[envs.PIXELS])}
        shown = self.without_images(obs, goals)
        if not self.layout.pixels:
            return shown
        return self.with_images(shown, frames.push(self.encoded(obs[envs.PIXELS]), opens), frames, opens)

    def encoded(self, images: NDArray[np.uint8]) -> Tensor:
        """Images (N, H, W, C) as the agent reads them: as they are, or a frozen network's features (N, E) float16."""
        pixels = torch.from_numpy(images)
        return pixels if self.frozen is None else self.frozen.embed(pixels.to(self.agent.device)).cpu()

    def goals(self, obs: RawObservation) -> Goals:
        """Achieved and desired goals (N, G) of `obs`, float64 on the CPU."""
        achieved, desired = self.goal_space.goals(obs)
        return torch.from_numpy(achieved), torch.from_numpy(desired)

    def vector(self, obs: RawObservation, achieved: Tensor) -> Tensor:
        """Vector (N, V) float32 of `obs` with its achieved goals (N, G), on the CPU."""
        own = torch.from_numpy(envs.vector_of(obs, self.layout))
        return torch.cat([own, achieved.to(torch.float32)], dim=1) if self.latent_input else own

    def without_images(self, obs: RawObservation, goals: Goals | None = None) -> PolicyInput:
        """Network inputs without images: the vector and the goals, `goals` if they have been computed already."""
        achieved, desired = goals or self.goals(obs)
        vector = self.vector(obs, achieved)
        goal = desired - achieved if self.subtract_achieved else desired  # in float64, before rounding, as in `Ring`
        device = self.agent.device
        return PolicyInput(
            {"vector": vector.to(device)}, goal.to(device, torch.float32), achieved.to(device, torch.float32)
        )

    def with_images(
        self, shown: PolicyInput, pixels: Tensor, frames: FrameStack, opens: NDArray[np.bool_]
    ) -> PolicyInput:
        """Network inputs with images, stacked and `encoded`, and with goals estimated from them, if wanted."""
        name = "pixels" if self.frozen is None else "embedding"
        obs = shown.obs | {name: pixels.to(self.agent.device)}
        if self.estimates:
            obs["estimate"] = self.agent.estimate_goal(obs)
        if self.motion:
            obs["estimate_before"] = frames.push_estimate(obs["estimate"], opens)
        return shown._replace(obs=obs)

    def act(self, shown: PolicyInput, deterministic: bool = False) -> Acted:
        """Actions (N, A) in [-1, 1], and the agent's estimates of the achieved goals."""
        return self.agent.act(shown.obs, shown.goal, deterministic=deterministic)

    def deterministic(
        self, blindfold: Blindfold | None = None
    ) -> Callable[[RawObservation, NDArray[np.bool_]], NDArray[np.floating]]:
        """Policy without exploration, as a function of observations and of flags of those that begin an episode."""
        frames = self.new_frames()
        return lambda obs, opens: self.scale(self.act(self.observe(obs, frames, opens, blindfold), True).action)

    def scale(self, action: Tensor) -> NDArray[np.floating]:
        """Scale actions (N, A) from [-1, 1] to the action space, in its dtype."""
        scaled = self.middle + self.half_range * action.cpu().numpy()  # float64
        space = self.action_space
        return scaled.clip(space.low, space.high).astype(space.dtype)  # rounding leads past a bound now and then
