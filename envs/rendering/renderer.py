"""Images of MuJoCo environments, rendered from poses rather than from simulations.

A simulation is never rendered itself: stock's `render()` runs `mj_forward` on it, which changes what PickAndPlace does
next. Instead, a scratch copy is set to the pose and rendered. So one renderer, with one GL context, serves any number
of environments of the same task, and needs only a few numbers of each.
"""

from __future__ import annotations

import atexit
import copy
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from envs.fetch import FetchEnv
from envs.rendering import gl
from envs.rendering.cameras import SIZE, CameraConfig
from envs.rendering.frames import rendered
from envs.rendering.simulation import find_camera, pose_of, simulation
from envs.rendering.simulation import hide as hide_part
from envs.rendering.watchdog import WATCHDOG, creating

# Covers of sensors inside the robot's shell: none of our cameras shows any of their pixels.
HIDDEN_BODIES = ("robot0:estop_link", "robot0:laser_link")
_MAX_GEOMS = 1000


def object_columns(model: mujoco.MjModel) -> list[int]:
    """Columns of a pose that are the object's: position in metres (3), then orientation (4)."""
    first = int(model.joint("object0:joint").qposadr[0])
    return list(range(first, first + 7))


class Renderer:
    """Renderer of poses of one task.

    Args:
        model: the task's, copied.
        view: cameras, size, and hidden parts.
        hide: bodies to leave out, besides `HIDDEN_BODIES`.
        fetch: whether the task is a Fetch task. For other tasks, shadows are off, as they take most of the time.
        tiles: images rendered below one another before a readback. 1 is best in software; on a GPU each readback waits
            for the card.

    Raises:
        RenderError: if no GL library is there.

    Attributes:
        name: GL_RENDERER in use.
    """

    def __init__(
        self, model: mujoco.MjModel, view: CameraConfig, tiles: int = 1, hide: Sequence[str] = (), fetch: bool = True
    ) -> None:
        self.view, self.tiles = view, tiles
        self._model = _stripped(model, view, tiles, (*HIDDEN_BODIES, *hide) if fetch else hide)
        self._data = mujoco.MjData(self._model)
        self._target = self._model.site("target0").id if fetch else None
        if fetch and not view.goal_marker:
            self._model.site_rgba[self._target, 3] = 0.0
        self._cameras = [find_camera(name, model, fetch) for name in view.cameras]
        self._context: Any = gl.make_context(view.render_size)
        self.name = gl.renderer_name()
        self._scene = mujoco.MjvScene(self._model, _MAX_GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] &= fetch
        self._option, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()
        with creating():
            self._mjr_context: Any = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_150)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr_context)
        atexit.register(self.close)  # registered after EGL's own, so done before it
        side = view.render_size
        self._rectangles = [mujoco.MjrRect(0, side * tile, side, side) for tile in range(tiles)]
        self._read = np.zeros((tiles, side, side, 3), np.uint8)

    def render(self, poses: np.ndarray, out: np.ndarray) -> None:
        """Render poses (N, P) into `out` (N, SIZE, SIZE, 3 C) uint8, C cameras stacked as channels."""
        self._context.make_current()  # another renderer's context may be current in this thread
        images = [(row, camera) for row in range(len(poses)) for camera in range(len(self._cameras))]
        for first in range(0, len(images), self.tiles):
            with WATCHDOG:
                self._render_some(images[first : first + self.tiles], poses, out)

    def _render_some(self, images: list[tuple[int, int]], poses: np.ndarray, out: np.ndarray) -> None:
        placed = None
        for (row, camera), rectangle in zip(images, self._rectangles, strict=False):
            if row != placed:
                self._place(poses[row])
                placed = row
            mujoco.mjv_updateScene(
                self._model, self._data, self._option, self._perturb, self._cameras[camera],
                mujoco.mjtCatBit.mjCAT_ALL, self._scene,
            )  # fmt: skip
            mujoco.mjr_render(rectangle, self._scene, self._mjr_context)
        side = self.view.render_size
        read = self._read[: len(images)]
        mujoco.mjr_readPixels(read.ravel(), None, mujoco.MjrRect(0, 0, side, side * len(images)), self._mjr_context)
        for (row, camera), image in zip(images, read, strict=True):
            upright = image[::-1]  # GL's first row is the lowest
            out[row, :, :, 3 * camera : 3 * camera + 3] = upright if side == SIZE else _resized(upright)

    def _place(self, pose: np.ndarray) -> None:
        """Set the scratch copy to a pose, and compute everything that is visible."""
        model, data = self._model, self._data
        data.qpos[:] = pose[: model.nq]
        quat, rest = model.nq + 3 * model.nmocap, model.nq + 7 * model.nmocap
        data.mocap_pos[:] = pose[model.nq : quat].reshape(-1, 3)
        data.mocap_quat[:] = pose[quat:rest].reshape(-1, 4)
        if self._target is None:
            model.site_pos[:] = pose[rest:].reshape(-1, 3)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        if model.nflex:
            mujoco.mj_flex(model, data)
        if model.ntendon:
            mujoco.mj_tendon(model, data)
        mujoco.mj_camlight(model, data)
        if self._target is not None:
            data.site_xpos[self._target] = pose[rest:]

    def close(self) -> None:
        """Free the renderer before its context, and both before the interpreter ends. A second call does nothing."""
        atexit.unregister(self.close)
        if self._context is not None:
            self._mjr_context.free()
            self._context.free()
            self._context = self._mjr_context = None


class EnvRenderer:
    """Renderer of environments of one task, one at a time.

    Args:
        env: an environment of the task, from `frames.make_seen`; without MuJoCo, its own `render()` is used.
        view: cameras, size, and hidden parts.
    """

    def __init__(self, env: gym.Env[Any, Any], view: CameraConfig) -> None:
        self.view, found = view, simulation(env)
        self._renderer = None if found is None else Renderer(found[0], view, fetch=isinstance(env, FetchEnv))
        self.name = "the environment's own render()" if self._renderer is None else self._renderer.name

    def render(self, env: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Render `env` into `out`, or into a new image, (SIZE, SIZE, 3 C) uint8."""
        if out is None:
            out = np.empty(self.view.shape, np.uint8)
        if self._renderer is None:
            out[:] = _resized(rendered(env))
        else:
            self._renderer.render(pose_of(env)[None], out[None])
        return out

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()


def _stripped(model: mujoco.MjModel, view: CameraConfig, tiles: int, hide: Sequence[str]) -> mujoco.MjModel:
    """Copy of the model without hidden parts, with a frame buffer for `tiles` images."""
    model = copy.copy(model)
    model.vis.quality.offsamples = 4 if view.msaa else 0
    model.vis.quality.shadowsize = 1  # the light casts none, and a map of the default size takes 64 MB
    model.vis.global_.offwidth, model.vis.global_.offheight = view.render_size, view.render_size * tiles
    for name in (*hide, *view.hide):
        hide_part(model, name)
    return model


def _resized(image: np.ndarray) -> np.ndarray:
    """Resize (H, W, 3) -> (SIZE, SIZE, 3) as in the chapter (PIL, bilinear)."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
