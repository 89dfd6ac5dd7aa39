"""The layers of an environment: which of them may change what it returns. No torch is imported here.

A fact that is read from an environment's inside (its class, its threshold, its kind of reward) is true of what comes
out only where nothing unknown stands around it and none of its methods has been replaced.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

_BOOKKEEPING = (TimeLimit, OrderEnforcing, PassiveEnvChecker)  # observations, rewards and infos pass as they are


def inside(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment without the bookkeeping that `gymnasium.make` puts around it; a wrapper if one is left."""
    while type(env) in _BOOKKEEPING and not is_patched(env):
        env = env.env  # type: ignore[attr-defined]
    return env


def is_patched(env: gym.Env[Any, Any]) -> bool:
    """Whether a method of this layer was replaced: on the instance, or on a class by a function of another module."""
    kind = type(env)
    if any(callable(getattr(kind, name, None)) for name in vars(env)):
        return True
    return any(
        isinstance(value, (FunctionType, staticmethod)) and value.__module__ != base.__module__
        for base in kind.__mro__
        for value in vars(base).values()
    )


def step_limit(env: gym.Env[Any, Any]) -> int | None:
    """Steps after which an episode is truncated, the least of all layers' limits; None where no layer has one."""
    limits = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env._max_episode_steps)
        env = env.env
    return min(limits, default=None)
