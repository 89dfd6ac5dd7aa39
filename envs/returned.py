"""Check that a goal environment's `reset` and `step` return what its spaces say.

A vector of environments writes the returned values into arrays of the spaces' shapes and dtypes, where a single number
would silently be broadcast to a whole vector. No torch is imported here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from envs.failure import reason
from envs.infos import FLAGS, success_of
from envs.layers import inside

SEEDS = (0, 1, 2**31 - 1)  # training uses no greater seed
STEPS = 5  # of each episode, at most


class Step(NamedTuple):
    """Parts of a step that hindsight uses: goals (G,) float64 after the step, reward, termination and success."""

    achieved: np.ndarray
    desired: np.ndarray
    reward: float
    terminated: bool
    success: bool


def played(env_id: str, env: gym.Env[Any, Any]) -> list[Step]:
    """Play an episode for each of SEEDS and return the steps. Raises ValueError, a sentence, for an unusable step.

    Actions are random. In the last step the action is the middle of its range and the goal is moved, if possible, to
    the achieved goal: this shows the effect of success on reward and episode.
    """
    # Bookkeeping wrappers would fail on an old API, with messages of their own.
    task, rng, space = inside(env), np.random.default_rng(0), env.action_space
    assert isinstance(space, gym.spaces.Box) and env.spec is not None and env.spec.max_episode_steps is not None
    last = min(STEPS, env.spec.max_episode_steps) - 1
    steps: list[Step] = []
    for seed in SEEDS:
        reset(env_id, env, task, seed)
        for number in range(last + 1):
            action = rng.uniform(space.low, space.high)
            if 0 < number == last:
                for holder in (task.unwrapped, getattr(task.unwrapped, "task", None)):  # the latter is panda-gym's
                    _put_goal(holder, steps[-1])
                action = space.low + (space.high - space.low) / 2
            step, ended = _step(env_id, env, task, action.astype(space.dtype).clip(space.low, space.high))
            steps.append(step)
            if ended:
                break
    reset(env_id, env, task, None)  # as after an episode's end
    return steps


def _put_goal(task: Any, step: Step) -> None:
    """Move the goal to what `step` achieved, in a task that keeps it as `goal`, as gymnasium-robotics does."""
    goal = getattr(task, "goal", None)
    if isinstance(goal, np.ndarray) and np.array_equal(goal, step.desired):
        with contextlib.suppress(AttributeError):  # a property
            task.goal = step.achieved.astype(goal.dtype)


def reset(env_id: str, env: gym.Env[Any, Any], task: gym.Env[Any, Any], seed: int | None) -> None:
    """Reset `env`, inside its wrappers `task`. Raises ValueError, a sentence, for anything that training cannot use."""
    try:
        result: Any = task.reset(seed=seed, options=None)
    except Exception as error:
        raise ValueError(
            f"'{env_id}' cannot be reset with seed={seed} ({reason(error)}): mend it or choose another id."
        ) from None
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], dict):
        raise ValueError(
            f"'{env_id}' has an old-style reset: let it return (observation, info), the second one a dictionary."
        )
    _check_observation(env_id, env, "reset", result[0])


def _step(env_id: str, env: gym.Env[Any, Any], task: gym.Env[Any, Any], action: np.ndarray) -> tuple[Step, bool]:
    """Take one step; return it and whether the episode ended."""
    try:
        result: Any = task.step(action)
    except Exception as error:
        raise ValueError(f"'{env_id}' cannot be stepped ({reason(error)}): mend it or choose another id.") from None
    if not isinstance(result, tuple) or len(result) != 5 or not isinstance(result[4], dict):
        raise ValueError(
            f"'{env_id}' has an old-style step: let it return (observation, reward, terminated, truncated, info), the "
            "last one a dictionary."
        )
    observation, reward, terminated, truncated, info = result
    _check_observation(env_id, env, "step", observation)
    if np.shape(reward) != () or np.asarray(reward).dtype.kind not in "fiub" or not np.isfinite(reward):
        raise ValueError(f"'{env_id}' gives a step the reward {_short(reward)}: let it be one finite number.")
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, (bool, np.bool_)):
            raise ValueError(f"'{env_id}' returns {_short(flag)} as {name} from step: let it be True or False.")
    success = _success(env_id, info)
    achieved, desired = (np.array(observation[key], dtype=np.float64) for key in ("achieved_goal", "desired_goal"))
    return Step(achieved, desired, float(reward), bool(terminated), success), bool(terminated or truncated)


def _success(env_id: str, info: dict[str, Any]) -> bool:
    if not any(flag in info for flag in FLAGS):
        raise ValueError(f"'{env_id}' never says whether it succeeded: put {' or '.join(FLAGS)} into its step's info.")
    for flag in FLAGS:
        value = info.get(flag)
        if value is not None and not (
            np.asarray(value).dtype.kind in "biuf" and np.shape(value) == () and np.isfinite(value)
        ):
            raise ValueError(f"'{env_id}' has {_short(info[flag])} as {flag} in its step's info: let it be one bool.")
    return bool(success_of(info, 1)[0])


def _check_observation(env_id: str, env: gym.Env[Any, Any], method: str, observation: Any) -> None:
    assert isinstance(env.observation_space, gym.spaces.Dict)
    for key, box in env.observation_space.spaces.items():
        if not isinstance(observation, Mapping) or key not in observation:
            raise ValueError(f"'{env_id}' has no '{key}' in what {method} returns: let it be as the space says.")
        try:
            value = np.asarray(observation[key])
        except ValueError:  # lists of unlike lengths
            value = np.asarray(None)
        if value.shape != box.shape:
            raise ValueError(
                f"'{env_id}' returns a '{key}' of shape {value.shape} from {method}, where its space says {box.shape}: "
                "make the two agree."
            )
        if not np.can_cast(value.dtype, box.dtype or value.dtype, "same_kind"):
            raise ValueError(
                f"'{env_id}' returns a '{key}' of {value.dtype} from {method}, where its space says {box.dtype}: make "
                "the two agree."
            )
        if not np.isfinite(value).all():
            raise ValueError(f"'{env_id}' returns a '{key}' with NaN or infinity from {method}: mend it.")


def _short(value: Any) -> str:
    return " ".join(repr(value).split())[:60]
