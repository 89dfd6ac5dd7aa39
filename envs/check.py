"""Checks of a goal environment before training: its declarations here, its return values in `returned.py`.

No torch is imported here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from envs.failure import reason
from envs.fetch import FetchEnv
from envs.layers import inside
from envs.layout import has_object
from envs.registry import GOAL_KEYS, find_spec, make_env, suggestion
from envs.returned import SEEDS, Step, played, reset


def check_goal_env(env_id: str, max_episode_steps: int | None = None) -> None:
    """Raise ValueError, one sentence with a remedy, unless `env_id` can be trained on.

    The environment must be registered and constructible, with a Dict observation of 1-D Boxes `observation`,
    `achieved_goal` and `desired_goal`, bounded continuous actions, and a step limit (its own or `max_episode_steps`).
    `reset` and `step` must return values that fit the spaces, and a success flag. Rewards must equal those of a
    vectorised `compute_reward`, except in steps that terminate an episode without success.
    """
    spec = find_spec(env_id)
    if "MujocoPy" in str(spec.entry_point):
        raise ValueError(f"'{env_id}' needs mujoco-py, which is retired: {suggestion(env_id)}.")
    env = make_env(spec, max_episode_steps=max_episode_steps)
    try:
        _check_goals(env_id, env)
        _check_actions(env_id, env)
        if env.spec is None or env.spec.max_episode_steps is None:
            raise ValueError(
                f"'{env_id}' has no limit of steps: say --max-episode-steps, or register it with one, so episodes end."
            )
        _check_reward(env_id, env, played(env_id, env))
    except BaseException:
        with contextlib.suppress(Exception):  # what was wrong before is the thing to say
            env.close()
        raise
    for one in (env, make_env(spec, max_episode_steps=max_episode_steps)):  # the second was never reset
        try:
            one.close()
        except Exception as error:
            raise ValueError(f"'{env_id}' cannot be closed ({reason(error)}): mend its close().") from None


def played_steps(env_id: str, max_episode_steps: int | None = None) -> list[Step]:
    """The steps that `check_goal_env` plays; these show how episodes end."""
    env = make_env(env_id, max_episode_steps=max_episode_steps)
    try:
        return played(env_id, env)
    finally:
        env.close()


def is_restorable(env_id: str) -> bool:
    """Whether environments of `env_id` can save and restore their states: only those of the Fetch tasks can."""
    env = make_env(env_id)
    env.close()
    return isinstance(env, FetchEnv)


def check_goal_images(env_id: str) -> None:
    """Raise ValueError unless the task's goals can be rendered: only those of Fetch tasks with an object can."""
    env = make_env(env_id)
    env.close()
    if not (isinstance(env, FetchEnv) and env.stock.has_object):
        raise ValueError(f"'{env_id}' has no goals that an image shows: take a Fetch task with an object.")


def check_layout(name: str, env_id: str, indices: tuple[int, ...] | None = None) -> None:
    """Raise ValueError, with the reason, if a task cannot be observed through the layout `name`. `indices` are the
    columns of the observation that are proprioception."""
    env = make_env(env_id)
    fetch, size = isinstance(env, FetchEnv), env.observation_space["observation"].shape[-1]  # type: ignore[index]
    env.close()
    if indices is not None and max(indices) >= size:
        raise ValueError(f"'{env_id}' observes {size} numbers, from 0 on, and --proprio-indices names {max(indices)}.")
    if not fetch and name not in ("state", "pixels+goal", "pixels+vector+goal", "pixels-only"):
        raise ValueError(
            f"The layout '{name}' is made for the Fetch tasks, where it is known what each number is: from pixels say "
            "--obs pixels+goal, or pixels+vector+goal with --proprio-indices; from state begin with a preset from "
            "state, such as push."
        )
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
    with np.errstate(over="ignore", invalid="ignore"):
        extent = space.high - space.low  # a range that the space's own dtype cannot hold is as good as none
    if not np.isfinite(extent).all():
        raise ValueError(f"'{env_id}' has unbounded actions: give its action space a low and a high it can act within.")
    if not (extent > 0).all():
        raise ValueError(
            f"'{env_id}' has an action whose low is not below its high: leave it out of the action space, or widen it."
        )


def _check_reward(env_id: str, env: gym.Env[Any, Any], steps: list[Step]) -> None:
    """Compare `compute_reward` with the rewards of steps, and its rewards for single pairs with those in batches.

    As in the learner, the environment was reset and never stepped, and the info is empty.
    """
    reset(env_id, env, inside(env), SEEDS[0])
    achieved, desired = np.stack([step.achieved for step in steps]), np.stack([step.desired for step in steps])
    # Each step's achieved goal with its desired goal, with itself, and with another step's desired goal; interleaved,
    # so that every batch holds different pairs. (3 T, G) each.
    of = np.stack([achieved, achieved, achieved], 1).reshape(-1, achieved.shape[1])
    to = np.stack([desired, achieved, desired[::-1]], 1).reshape(of.shape)
    compute = _vectorised(env_id, env)
    alone = np.concatenate([compute(of[i : i + 1], to[i : i + 1]) for i in range(len(of))])  # (3 T,)
    if not np.isfinite(alone).all():
        raise ValueError(f"'{env_id}' has a compute_reward that gives {_odd(alone)}: let it give finite rewards.")
    atol = 1e-6 * (1 + max(np.abs(of).max(), np.abs(to).max()))  # goals may come as float32
    for step, reward in zip(steps, alone[::3], strict=True):
        if step.terminated and not step.success:
            continue  # never relabelled, so its reward may contain a penalty
        if not np.isclose(step.reward, reward, rtol=1e-4, atol=atol):
            raise ValueError(
                f"'{env_id}' gives a step the reward {step.reward:g}, of which its compute_reward says {reward:g}, and "
                "hindsight would mix the two: let a wrapper change both, and both depend on the goals alone."
            )
    for size in (2, 3, 5, len(of)):  # whatever the goal's size, some differ from it
        in_batch = compute(of[:size], to[:size])
        unlike = ~np.isclose(in_batch, alone[:size], rtol=1e-4, atol=atol)
        if unlike.any():
            raise ValueError(
                f"'{env_id}' has a compute_reward that gives the same goals {alone[:size][unlike][0]:g} alone and "
                f"{in_batch[unlike][0]:g} in a batch of {size}: let each row's reward depend on that row alone, as in "
                "np.linalg.norm(achieved_goal - desired_goal, axis=-1)."
            )


def _vectorised(env_id: str, env: gym.Env[Any, Any]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """`compute_reward` on goals (B, G) float64 -> (B,) float64; raises ValueError if it returns anything else."""

    def compute(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                rewards = env.get_wrapper_attr("compute_reward")(achieved.copy(), desired.copy(), {})
            values = np.asarray(rewards, dtype=np.float64)
            found = f"a batch of {len(achieved)} gives shape {values.shape}"
        except Exception as error:
            values, found = np.empty(()), reason(error)
        if values.shape != (len(achieved),):
            raise ValueError(
                f"'{env_id}' has no vectorised compute_reward(achieved_goal, desired_goal, info), which hindsight "
                f"needs ({found}): give it one that maps (batch, goal) arrays and an empty info to (batch,) rewards."
            )
        return values + 0.0  # Fetch's zero is negative, and would be printed as -0

    return compute


def _odd(values: np.ndarray) -> str:
    return f"{values[~np.isfinite(values)][0]:g}"
