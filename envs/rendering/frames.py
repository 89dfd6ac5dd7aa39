"""Images from an environment's own `render()`, whatever their format."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.failure import reason
from envs.fetch import FetchEnv
from envs.registry import make_env
from envs.rendering.cameras import CameraConfig
from envs.rendering.gl import RenderError
from envs.rendering.simulation import find_camera, make_current, simulation
from envs.rendering.simulation import hide as hide_part
from envs.rendering.watchdog import WATCHDOG, creating

PLAYED = 5  # steps in which rendering must change nothing
RESETS = 3  # after which the model must be as it was
FIXED = (  # what is visible, but for the places of sites, which are part of a pose
    "body_pos", "body_quat", "geom_pos", "geom_quat", "geom_size", "geom_rgba", "geom_matid", "site_size", "site_quat",
    "site_rgba", "site_matid", "mat_rgba", "mat_texid", "mat_emission", "mat_specular", "mat_shininess",
    "mat_reflectance", "tex_data", "hfield_data", "cam_pos", "cam_quat", "cam_fovy", "light_pos", "light_dir",
    "light_ambient", "light_diffuse", "light_specular", "tendon_rgba", "tendon_width",
)  # fmt: skip


def make_seen(env: str | EnvSpec, view: CameraConfig | None, **options: Any) -> gym.Env[Any, Any]:
    """Build an environment, with render_mode rgb_array only if its own `render()` has to make the images."""
    made = make_env(env, **options)
    if view is None or simulation(made) is not None:
        return made
    made.close()
    return make_env(env, render_mode="rgb_array", **options)


def rendered(env: gym.Env[Any, Any]) -> np.ndarray:
    """Image of the environment's `render()` as (H, W, 3) uint8; floats up to 1, grey and RGBA images are converted.

    Raises RenderError, a sentence, if `render()` raises or returns no image.
    """
    name = env.spec.id if env.spec else str(env)
    try:
        make_current(env)
        with WATCHDOG, creating():
            returned: Any = env.render()
    except Exception as error:
        said = type(error).__name__ if str(error) == "" else f"{type(error).__name__} ({reason(error)})"
        raise RenderError(f"{name} renders no images: its render() raised {said}.") from error
    image = returned if isinstance(returned, np.ndarray) else np.empty(())
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4) or image.dtype.kind not in "uif" or not image.size:
        what = f"{image.dtype} of shape {image.shape}" if image.ndim else type(returned).__name__
        raise RenderError(f"{name} renders no images: its render() returned {what}, not (height, width, 3) of uint8.")
    image = image[..., :3].repeat(3 if image.shape[-1] == 1 else 1, axis=-1)
    if image.dtype.kind == "f":
        image = np.nan_to_num(image) * (255 if image.max() <= 1 else 1)
    return image.clip(0, 255).astype(np.uint8)


def check_view(spec: EnvSpec, view: CameraConfig) -> None:
    """Raise ValueError, a sentence, unless an environment can be rendered as `view` says, with unchanged behaviour."""
    env, env_id = make_env(spec), spec.id
    found = simulation(env)
    try:
        if found is not None:
            for name in view.cameras:
                find_camera(name, found[0], isinstance(env, FetchEnv))
            if not isinstance(env, FetchEnv):
                _check_model_stays(env_id, env, found[0])
            for name in view.hide:
                hide_part(found[0], name)
            return
    finally:
        env.close()
    own = f"'{env_id}' is no MuJoCo environment, so its own render() makes the images, "
    if view.cameras != ("default",):
        raise ValueError(f"{own}from one place alone: say --cameras default.")
    if view.hide:
        raise ValueError(f"{own}in which nothing can be hidden: leave out --hide, or have the environment hide it.")
    if view.one_process:
        raise ValueError(f"{own}in its own process: leave out --render-process.")
    try:
        seen = make_env(spec, render_mode="rgb_array")
        _check_unchanged(env_id, make_env(spec), seen)
    except RenderError as error:
        raise ValueError(f"{error} Without images begin with a preset from state, such as push.") from None


def _check_model_stays(env_id: str, env: gym.Env[Any, Any], model: mujoco.MjModel) -> None:
    """Raise ValueError if resets and steps change what our renderer shows as it was at first."""
    space: Any = env.action_space
    rng = np.random.default_rng(0)
    before: dict[str, np.ndarray] = {}
    for played in range(RESETS):
        env.reset(seed=played)
        env.step(rng.uniform(space.low, space.high).astype(space.dtype))
        now = {name: np.array(getattr(model, name)) for name in FIXED if hasattr(model, name)}
        for name, values in before.items():
            if not np.array_equal(values, now[name]):
                raise ValueError(
                    f"'{env_id}' changes its model's {name} from one episode to the next, which our images would not "
                    "show: have it move joints, mocap bodies or the places of sites instead, or train it from state."
                )
        before = now


def _check_unchanged(env_id: str, plain: gym.Env[Any, Any], seen: gym.Env[Any, Any]) -> None:
    """Raise ValueError if the same actions give other observations with rendering than without. Closes both."""
    try:
        space: Any = plain.action_space
        rng = np.random.default_rng(0)
        told, other = plain.reset(seed=0)[0], seen.reset(seed=0)[0]
        for _ in range(PLAYED):
            if np.ptp(rendered(seen)) == 0:
                raise ValueError(f"'{env_id}' renders images of one colour: see why, or train it from state.")
            if any(not np.array_equal(told[key], other[key]) for key in told):
                raise ValueError(f"'{env_id}' does something else when it is rendered: train it from state.")
            action = rng.uniform(space.low, space.high).astype(space.dtype)
            told, other = plain.step(action)[0], seen.step(action)[0]
    finally:
        plain.close()
        seen.close()
