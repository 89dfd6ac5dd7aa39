"""Wrappers of an environment: which of them may change what the environment returns. No torch is imported here.

Facts read from the inner environment (class, threshold, kind of reward) hold for the returned values only if no unknown
wrapper surrounds it and none of its methods has been replaced.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

_BOOKKEEPING = (TimeLimit, OrderEnforcing, PassiveEnvChecker)  # observations, rewards and infos pass as they are


def inside(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment without the bookkeeping wrappers of `gymnasium.make`; possibly another wrapper."""
    while type(env) in _BOOKKEEPING and not is_patched(env):
        env = env.env  # type: ignore[attr-defined]
    return env


def is_patched(env: gym.Env[Any, Any]) -> bool:
    """Whether a method was replaced: on the instance, or on one of its classes by a function of another module."""
    kind = type(env)
    if any(callable(getattr(kind, name, None)) for name in vars(env)):
        return True
    return any(
        isinstance(value, (FunctionType, staticmethod)) and value.__module__ != base.__module__
        for base in kind.__mro__
        for value in vars(base).values()
    )


def step_limit(env: gym.Env[Any, Any]) -> int | None:
    """Steps after which an episode is truncated, the lowest limit of all wrappers; None if there is no limit."""
    limits = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env._max_episode_steps)
        env = env.env
    return min(limits, default=None)
