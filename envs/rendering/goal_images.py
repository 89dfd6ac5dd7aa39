"""Images of goals: the task's scene as after a reset, with the object at the goal."""

from __future__ import annotations

import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from envs.registry import make_env
from envs.rendering.cameras import CameraConfig
from envs.rendering.renderer import Renderer, object_columns
from envs.rendering.simulation import pose_of, simulation

UPRIGHT = (1.0, 0.0, 0.0, 0.0)  # the object's quaternion after a reset


class GoalImages:
    """Renderer of goals and poses of a Fetch task with an object, from a simulation of its own.

    Args:
        spec: the task's.
        view: cameras, size, and hidden parts.
    """

    def __init__(self, spec: EnvSpec, view: CameraConfig) -> None:
        self.view = view
        env = make_env(spec)
        env.reset(seed=0)  # the hand is in the same place after every reset
        found = simulation(env)
        assert found is not None
        self._model, self._pose = found[0], pose_of(env)
        self._object = object_columns(self._model)
        env.close()
        self._renderer: Renderer | None = None  # made with the first image, and again after `close`

    def poses(self, goals: NDArray[np.float64], others: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Poses (N, P) of the object at `goals` (N, 3) metres, upright, and of the hand where a reset leaves it, or as
        in `others` (N, P)."""
        poses = np.tile(self._pose, (len(goals), 1)) if others is None else others.copy()
        poses[:, self._object] = np.concatenate([goals, np.tile(UPRIGHT, (len(goals), 1))], axis=1)
        return poses

    def render(self, poses: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Images (N, 84, 84, 3 C) of poses (N, P) as `envs.FetchEnv.pose` returns them."""
        if self._renderer is None:
            self._renderer = Renderer(self._model, self.view)
        images = np.empty((len(poses), *self.view.shape), np.uint8)
        self._renderer.render(poses, images)
        return images

    def __call__(self, goals: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Images (N, 84, 84, 3 C) of `goals` (N, 3) metres."""
        return self.render(self.poses(goals))

    def close(self) -> None:
        """Free the GL context, so that another process may hold one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
