"""The MuJoCo simulation inside an environment, whoever wrote it: its pose, its cameras, its parts. No GL is imported
here."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from envs.fetch import FetchEnv
from envs.rendering.cameras import CAMERAS, Camera, free_camera


def make_current(env: gym.Env[Any, Any]) -> None:
    """Make the GL context of the environment's own viewer current again: another renderer in this thread may have
    changed the current context, unknown to the viewer."""
    task = env.unwrapped
    for holder in (task, *vars(task).values()):
        viewer: Any = getattr(getattr(holder, "mujoco_renderer", None), "viewer", None)
        if hasattr(viewer, "make_context_current"):
            viewer.make_context_current()


def simulation(env: gym.Env[Any, Any]) -> tuple[mujoco.MjModel, mujoco.MjData] | None:
    """Model and data of an environment, or of an object in it (a maze's robot); None where there is no MuJoCo."""
    task = env.unwrapped
    for holder in (task, *vars(task).values()):
        model, data = getattr(holder, "model", None), getattr(holder, "data", None)
        if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
            return model, data
    return None


def pose_of(env: gym.Env[Any, Any]) -> np.ndarray:
    """Numbers that an image depends on, (P,) float64: joint positions, mocap bodies and, for a Fetch task, the goal;
    for other tasks, the positions of the model's sites, which environments move to show a goal."""
    if isinstance(env, FetchEnv):
        return env.pose()
    found = simulation(env)
    assert found is not None
    model, data = found
    return np.concatenate([data.qpos, data.mocap_pos.ravel(), data.mocap_quat.ravel(), model.site_pos.ravel()])


def find_camera(name: str, model: mujoco.MjModel, fetch: bool) -> mujoco.MjvCamera:
    """Camera by name: one of `CAMERAS` (Fetch tasks only), a free camera of six numbers, or one of the model's own. For
    other tasks, "default" is the initial one of MuJoCo's viewer. Raises ValueError, naming all, for unknown names."""
    camera = mujoco.MjvCamera()
    settings: Camera | None = CAMERAS.get(name) if fetch else None
    settings = settings or free_camera(name)
    own = [model.camera(number).name for number in range(model.ncam)]
    if settings is not None:
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        camera.distance, camera.azimuth, camera.elevation = settings.distance, settings.azimuth, settings.elevation
        camera.lookat[:] = settings.lookat
    elif name in own:
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, own.index(name)
    elif name == "default":
        mujoco.mjv_defaultFreeCamera(model, camera)
    else:
        there = [*(CAMERAS if fetch else ["default"]), *filter(None, own)]
        raise ValueError(
            f"There is no camera '{name}': choose among {', '.join(there)}, or give the six numbers of a free one, "
            "distance,azimuth,elevation,x,y,z."
        )
    return camera


def hide(model: mujoco.MjModel, name: str) -> None:
    """Make a site, a geom, or all geoms of a body invisible. Raises ValueError, naming the sites, for unknown names."""
    kinds = (mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtObj.mjOBJ_GEOM, mujoco.mjtObj.mjOBJ_BODY)
    site, geom, body = (mujoco.mj_name2id(model, kind, name) for kind in kinds)
    if max(site, geom, body) < 0:
        sites = ", ".join(filter(None, (model.site(number).name for number in range(model.nsite))))
        raise ValueError(f"There is no site, geom or body '{name}' to hide; the sites are {sites or 'without names'}.")
    if site >= 0:
        model.site_rgba[site, 3] = 0.0
    if geom >= 0:
        model.geom_rgba[geom, 3] = 0.0
    if body >= 0:
        model.geom_rgba[model.geom_bodyid == body, 3] = 0.0
