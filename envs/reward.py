"""Rewards of (achieved goal, desired goal) pairs, for hindsight: whole batches, on any device."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.failure import Unusable, reason
from envs.fetch import FetchEnv
from envs.finite import check_finite
from envs.layers import inside, is_patched
from envs.registry import make_env

RewardFn = Callable[[Tensor, Tensor], Tensor]


def reward_fn(env_id: str) -> RewardFn:
    """The reward of `env_id` as a function of achieved (B, G) and desired (B, G) float64 tensors -> (B,) float32.

    Fetch sparse: -1 or -0.0, bit-identical to the environment's `compute_reward`. Fetch dense: within one float32 ulp
    of `compute_reward`. Both stay on the inputs' device. Any other environment, including a wrapped or changed Fetch
    task: its own (outermost) `compute_reward`, on the CPU, with an empty info; rewards are moved back to the inputs'
    device. The function raises NotFinite for a NaN or infinite reward, and Unusable if `compute_reward` raises.
    """
    env = make_env(env_id)
    if not isinstance(env, FetchEnv):
        return _own_reward(env_id, env)
    threshold, sparse = env.stock.distance_threshold, env.stock.reward_type == "sparse"
    env.close()
    return fetch_sparse(threshold) if sparse else fetch_dense


def reward_when_needed(env_id: str) -> RewardFn:
    """`reward_fn(env_id)`, whose environment is built only when a reward is first computed: acting needs no
    environment."""
    made = functools.cache(reward_fn)
    return lambda achieved, desired: made(env_id)(achieved, desired)


def reward_range(env_id: str) -> tuple[float, float]:
    """Lowest and highest reward per step of `env_id`; infinite where unknown.

    Known for the sparse tasks of gymnasium-robotics (-1 or 0; the mazes 0 or 1) and the dense tasks (at most 0; the
    mazes 0 to 1), if unmodified: inside any other wrapper, or with a replaced method, the range is unknown.
    """
    env = make_env(env_id)
    base: Any = env.stock if isinstance(env, FetchEnv) else inside(env)
    env.close()
    if is_patched(base):
        return -math.inf, math.inf
    module, kind = type(base).__module__, getattr(base, "reward_type", None)
    if module.startswith("gymnasium_robotics.envs.maze") and kind in ("sparse", "dense"):
        return 0.0, 1.0  # dense: exp(-distance)
    if module.startswith(("gymnasium_robotics.envs.fetch", "gymnasium_robotics.envs.shadow_dexterous_hand")):
        if kind == "sparse":
            return -1.0, 0.0
        if kind == "dense":
            return -math.inf, 0.0
    return -math.inf, math.inf


def fetch_sparse(threshold: float) -> RewardFn:
    """Reward -1 where the goals are further apart than `threshold` metres, else -0.0 (stock computes -float32(bool)).

    torch's square root and norm differ from numpy's in the last bit, so the squared distance is compared instead,
    with the largest double whose (correctly rounded) square root is within the threshold.
    """
    limit = largest_square(threshold)

    def reward(achieved: Tensor, desired: Tensor) -> Tensor:
        return -(_squared_distance(achieved, desired) > limit).to(torch.float32)  # (B,)

    return reward


def fetch_dense(achieved: Tensor, desired: Tensor) -> Tensor:
    """Minus the distance in metres, (B,) float32."""
    return -_squared_distance(achieved, desired).sqrt().to(torch.float32)


def largest_square(threshold: float) -> float:
    """The largest double whose square root, rounded to a double, is at most `threshold`."""
    square = threshold * threshold
    while math.sqrt(square) <= threshold:
        square = math.nextafter(square, math.inf)
    while math.sqrt(square) > threshold:
        square = math.nextafter(square, 0.0)
    return square


def _squared_distance(achieved: Tensor, desired: Tensor) -> Tensor:
    """Squared distance (B,) float64, summed as in np.linalg.norm, in separate kernels: fused ones would round once."""
    squares = (achieved.double() - desired.double()).square()  # (B, 3)
    x, y, z = squares.unbind(-1)
    return (x + y) + z


def _own_reward(env_id: str, env: Any) -> RewardFn:
    try:
        env.reset(seed=0)  # some environments know their reward only then
    except Exception as error:
        raise Unusable(f"'{env_id}' cannot be reset with seed=0 ({reason(error)}): mend it.") from error
    compute = env.get_wrapper_attr("compute_reward")  # keeps env alive

    def reward(achieved: Tensor, desired: Tensor) -> Tensor:
        goals = (goal.detach().cpu().numpy().copy() for goal in (achieved, desired))  # copies, which it may write into
        try:
            values = np.asarray(compute(*goals, {}))  # (B,)
        except Exception as error:
            said = f"{type(error).__name__} ({reason(error)})"
            raise Unusable(f"'{env_id}' has a compute_reward that raised {said}.") from error
        check_finite(env_id, "for a minibatch", {"compute_reward": values})
        return torch.from_numpy(values.astype(np.float32)).to(achieved.device)

    return reward
