"""How well a policy does without exploration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

import envs
from training.policy import Policy

EVAL_ENVS = 10  # environments that play an evaluation's episodes side by side


@dataclass(frozen=True)
class Evaluation:
    """Success at the last step, and return, of each episode."""

    success: NDArray[np.bool_]  # (E,)
    returns: NDArray[np.float64]  # (E,)

    @property
    def success_rate(self) -> float:
        return float(self.success.mean())

    def to_dict(self) -> dict[str, Any]:
        return {
            "success_rate": self.success_rate,
            "ci95": wilson_interval(int(self.success.sum()), len(self.success)),
            "episodes": len(self.success),
            "mean_return": float(self.returns.mean()),
        }


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> list[float]:
    """95% confidence interval of a success rate (Wilson 1927): sensible at 0 and 1 too, unlike the normal one."""
    rate = successes / trials
    center = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return [max(0.0, min(rate, center - half)), min(1.0, max(rate, center + half))]  # rounding aside


def evaluate(vec: VectorEnv, policy: Policy, episodes: int, seed: int) -> Evaluation:
    """Play `episodes`, the same ones for the same seed.

    Every environment plays the same number of them, so that short episodes do not crowd out long ones; what is over
    the number asked for is left out.
    """
    per_env = math.ceil(episodes / vec.num_envs)
    success = np.zeros((per_env, vec.num_envs), bool)
    returns = np.zeros((per_env + 1, vec.num_envs))
    played = np.zeros(vec.num_envs, int)
    lanes = np.arange(vec.num_envs)
    obs, _ = vec.reset(seed=seed)
    play, opens = policy.player(), np.ones(vec.num_envs, bool)
    while played.min() < per_env:
        obs, reward, terminated, truncated, infos = vec.step(play(obs, opens))
        returns[np.minimum(played, per_env), lanes] += reward
        opens = terminated | truncated
        done = opens & (played < per_env)
        if done.any():
            success[played[done], lanes[done]] = envs.success_of(infos["final_info"], vec.num_envs)[done]
        played += done
    return Evaluation(success.ravel()[:episodes], returns[:per_env].ravel()[:episodes])
