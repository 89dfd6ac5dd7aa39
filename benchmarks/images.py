"""Stock environments with images among their observations, as their users render them. No torch is imported here."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from benchmarks.settings import STACK, Settings, stock_id
from envs.layout import PROPRIOCEPTION, take
from envs.rendering.cameras import PIXELS, SIZE

BOOK_SIZE = 480  # pixels a side that the chapter renders


class Rendered(gym.ObservationWrapper[Any, Any, Any]):
    """Adds the image of a stock environment's `render()`, unchanged, to its observations.

    Args:
        env: rendered at SIZE.
        msaa: keep its 4 samples per pixel.
    """

    def __init__(self, env: gym.Env[Any, Any], msaa: bool) -> None:
        super().__init__(env)
        if not msaa:  # read when the rendering context is made, at the first image
            env.unwrapped.model.vis.quality.offsamples = 0  # type: ignore[attr-defined]
        box = gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.observation_space = gym.spaces.Dict({**env.observation_space.spaces, PIXELS: box})  # type: ignore[attr-defined]

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        return observation | {PIXELS: self.env.render()}


class Book(gym.Wrapper[Any, Any, Any, Any]):
    """The chapter's wrapper: STACK images, rendered large and resized with PIL; proprioception, achieved and desired
    goal."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._images: deque[np.ndarray] = deque(maxlen=STACK)
        spaces = env.observation_space.spaces  # type: ignore[attr-defined]
        numbers = len(take(np.zeros(spaces["observation"].shape), PROPRIOCEPTION))
        self.observation_space = gym.spaces.Dict(
            {
                PIXELS: gym.spaces.Box(0, 255, (SIZE, SIZE, 3 * STACK), np.uint8),
                "observation": gym.spaces.Box(-np.inf, np.inf, (numbers,), np.float64),
                "achieved_goal": spaces["achieved_goal"],
                "desired_goal": spaces["desired_goal"],
            }
        )

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**kwargs)
        self._images.extend([self._image()] * STACK)
        return self._seen(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._images.append(self._image())
        return self._seen(observation), reward, terminated, truncated, info

    def _image(self) -> np.ndarray:
        image: Any = self.env.render()
        if len(image) == SIZE:
            return image
        return np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    def _seen(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            PIXELS: np.concatenate(self._images, axis=-1),
            "observation": take(observation["observation"], PROPRIOCEPTION),
            "achieved_goal": observation["achieved_goal"],
            "desired_goal": observation["desired_goal"],
        }


def rendered(settings: Settings, msaa: bool) -> Callable[[], gym.Env[Any, Any]]:
    """Factory of a stock environment that is rendered at SIZE."""
    return functools.partial(_rendered, stock_id(settings), msaa)


def _rendered(name: str, msaa: bool) -> gym.Env[Any, Any]:
    return Rendered(gym.make(name, render_mode="rgb_array", width=SIZE, height=SIZE), msaa)


def book(settings: Settings, size: int = BOOK_SIZE) -> Callable[[], gym.Env[Any, Any]]:
    """Factory of the chapter's environment, rendered at `size`; SIZE needs no resizing."""
    return functools.partial(_book, stock_id(settings), size)


def _book(name: str, size: int) -> gym.Env[Any, Any]:
    return Book(gym.make(name, render_mode="rgb_array", width=size, height=size))
