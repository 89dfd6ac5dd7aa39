"""Goal environments by id: registering them, checking them, building one.

No torch is imported here: worker processes load this module.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import re
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.gl import import_mujoco

with contextlib.redirect_stderr(io.StringIO()):  # the import prints notes about environments that nobody asked for
    import_mujoco()
    import gymnasium_robotics

from envs.fetch import FetchEnv, is_fetch
from envs.infos import FLAGS
from envs.layout import LAYOUTS, has_object

gym.register_envs(gymnasium_robotics)

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


def make_env(env_id: str | EnvSpec, *, render_mode: str | None = None, **kwargs: Any) -> gym.Env[Any, Any]:
    """Build one environment that truncates after its spec's `max_episode_steps`.

    It is what `gymnasium.make` gives without the passive checker; for the four Fetch tasks a `FetchEnv`: the same
    numbers, bit for bit, sooner.

    Args:
        env_id: a registered id ("FetchPush-v4", "module:Name-v0") or a spec.
        render_mode: as in `gymnasium.make`.
        **kwargs: passed on to the environment's constructor.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        stock = gym.make(env_id, render_mode=render_mode, disable_env_checker=True, **kwargs)
    return FetchEnv(stock) if is_fetch(stock) else stock


def goal_spaces(env: gym.Env[Any, Any]) -> tuple[gym.spaces.Dict, gym.spaces.Box]:
    """Spaces of a goal environment's observations and actions. Raises ValueError if it is none."""
    space, actions = env.observation_space, env.action_space
    boxes = isinstance(space, gym.spaces.Dict) and all(isinstance(box, gym.spaces.Box) for box in space.spaces.values())
    if not boxes or not isinstance(actions, gym.spaces.Box):
        name = env.spec.id if env.spec else env
        raise ValueError(f"'{name}' is not a goal environment with Boxes for observations and actions.")
    return space, actions  # type: ignore[return-value]


def find_spec(env_id: str) -> EnvSpec:
    """The registered spec of `env_id`; of "module:Name-v0" after importing the module.

    Raises:
        ValueError: if there is none; the message has the nearest known ids.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(name)
    except gym.error.Error:
        raise ValueError(f"There is no environment '{env_id}': {_suggestion(name)}.") from None
    except (ImportError, ValueError) as error:
        raise ValueError(f"'{env_id}' names a module that cannot be imported ({error}): check its spelling.") from None


def check_goal_env(env_id: str) -> None:
    """Raise ValueError, one sentence with the mend in it, unless `env_id` can be trained on.

    It must be registered, build, have a Dict observation of 1-D Boxes `observation`, `achieved_goal` and
    `desired_goal`, a vectorised `compute_reward`, bounded continuous actions, a limit of steps, and say in its info
    whether it succeeded.
    """
    spec = find_spec(env_id)
    if "MujocoPy" in str(spec.entry_point):
        raise ValueError(f"'{env_id}' needs mujoco-py, which is retired: {_suggestion(env_id)}.")
    try:
        env = make_env(spec)
    except Exception as error:  # whatever a constructor raises, the user gets one sentence
        raise ValueError(
            f"'{env_id}' cannot be built ({_reason(error)}): install what it needs or choose another id."
        ) from None
    try:
        _check_goals(env_id, env)
        _check_actions(env_id, env)
        if env.spec is None or env.spec.max_episode_steps is None:
            raise ValueError(f"'{env_id}' has no limit of steps: register it with max_episode_steps, so episodes end.")
        _check_reward(env_id, env)
        _check_success(env_id, env)
    finally:
        env.close()


def check_layout(name: str, env_id: str) -> None:
    """Raise ValueError, with the reason, if a task cannot be observed through the layout `name`."""
    layout, env = LAYOUTS[name], make_env(env_id)
    fetch, size = isinstance(env, FetchEnv), env.observation_space["observation"].shape[-1]  # type: ignore[index]
    env.close()
    if not fetch and (layout.pixels or "proprioception" in layout.vector):
        raise ValueError(f"The layout '{name}' is made for the Fetch tasks: use state.")
    if fetch and name in ("honest", "honest-blind") and not has_object(size):
        raise ValueError(
            f"The layout '{name}' hides the achieved goal, but in Reach that is the gripper's position, which "
            "proprioception holds: use pixels-only."
        )


def _check_goals(env_id: str, env: gym.Env[Any, Any]) -> None:
    space = env.observation_space
    if not isinstance(space, gym.spaces.Dict) or any(key not in space.spaces for key in GOAL_KEYS):
        raise ValueError(
            f"'{env_id}' is not a goal environment (a Dict observation with {', '.join(GOAL_KEYS)}): "
            "choose one, such as FetchPush-v4."
        )
    for key, part in space.spaces.items():
        if not isinstance(part, gym.spaces.Box) or len(part.shape) != 1:
            raise ValueError(f"'{env_id}' has an observation '{key}' that is not a vector: wrap it into a 1-D Box.")
    if space["achieved_goal"].shape != space["desired_goal"].shape:
        raise ValueError(f"'{env_id}' has achieved and desired goals of different sizes: wrap it so that they match.")


def _check_actions(env_id: str, env: gym.Env[Any, Any]) -> None:
    space = env.action_space
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.floating) or len(space.shape) != 1:
        raise ValueError(f"'{env_id}' has no continuous actions, which SAC needs: choose one with a 1-D Box of floats.")
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise ValueError(f"'{env_id}' has unbounded actions: wrap it with gymnasium.wrappers.ClipAction or rescale it.")


def _check_reward(env_id: str, env: gym.Env[Any, Any]) -> None:
    space = env.observation_space["desired_goal"]  # type: ignore[index]
    goals = np.zeros((2, *space.shape), dtype=space.dtype)
    try:
        rewards = env.get_wrapper_attr("compute_reward")(goals, goals, {})
        vectorised = np.shape(rewards) == (2,)
    except Exception:
        vectorised = False
    if not vectorised:
        raise ValueError(
            f"'{env_id}' has no vectorised compute_reward(achieved_goal, desired_goal, info), which hindsight needs: "
            "give it one that maps (batch, goal) arrays and an empty info to (batch,) rewards."
        )


def _check_success(env_id: str, env: gym.Env[Any, Any]) -> None:
    space = env.action_space
    try:
        env.reset(seed=0)
        *_, info = env.step((space.low + space.high) / 2)  # type: ignore[attr-defined]
    except Exception as error:
        raise ValueError(f"'{env_id}' cannot be stepped ({_reason(error)}): mend it or choose another id.") from None
    if not any(flag in info for flag in FLAGS):
        raise ValueError(f"'{env_id}' never says whether it succeeded: put {' or '.join(FLAGS)} into its step's info.")


def _reason(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")[:160] or type(error).__name__


def _suggestion(env_id: str) -> str:
    """The newest version of the same name, else a few of the nearest names."""
    name = re.sub(r"-v\d+$", "", env_id)
    usable = [spec for spec in gym.registry.values() if "MujocoPy" not in str(spec.entry_point)]
    same = [spec for spec in usable if (f"{spec.namespace}/" if spec.namespace else "") + spec.name == name]
    if same:
        return f"use {max(same, key=lambda spec: spec.version or 0).id}"
    near = difflib.get_close_matches(env_id, [spec.id for spec in usable], n=3, cutoff=0.65)
    return f"did you mean {' or '.join(near)}" if near else "see gymnasium.pprint_registry() for what is registered"
