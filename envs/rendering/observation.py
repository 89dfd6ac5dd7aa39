"""Images among the observations of one environment, for any library that speaks Gymnasium."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from envs.registry import GOAL_KEYS
from envs.rendering.cameras import PIXELS, CameraConfig
from envs.rendering.renderer import EnvRenderer


class PixelObservation(gym.Wrapper[Any, Any, Any, Any]):
    """A goal environment that also observes "pixels", (84, 84, 3 x cameras x images in a stack) uint8.

    Args:
        env: from `envs.make_seen(env_id, view)`.
        view: cameras, size, and hidden parts.
        frame_stack: number of latest images, stacked as channels, the newest last; at an episode's start its first
            image is repeated.
        keep: other keys of the observation.

    Raises:
        RenderError: if nothing can be rendered here.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        view: CameraConfig,
        frame_stack: int = 1,
        keep: tuple[str, ...] = GOAL_KEYS,
    ) -> None:
        super().__init__(env)
        space: Any = env.observation_space
        height, width, channels = view.shape
        pixels = gym.spaces.Box(0, 255, (height, width, channels * frame_stack), np.uint8)
        self.observation_space = gym.spaces.Dict({**{key: space[key] for key in keep}, PIXELS: pixels})
        self._renderer, self._keep, self._channels = EnvRenderer(env, view), keep, channels
        self._stack = np.zeros(pixels.shape, np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._stack = np.tile(self._renderer.render(self.env), self._stack.shape[-1] // self._channels)
        return self._observed(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, *outcome = self.env.step(action)
        newest = self._renderer.render(self.env)
        self._stack = np.concatenate([self._stack[..., self._channels :], newest], axis=-1)
        return self._observed(observation), *outcome  # type: ignore[return-value]

    def close(self) -> None:
        """Free the renderer too."""
        self._renderer.close()
        super().close()

    def _observed(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {key: observation[key] for key in self._keep} | {PIXELS: self._stack}
