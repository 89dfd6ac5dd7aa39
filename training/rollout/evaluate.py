"""Evaluation of a policy without exploration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

import envs
from training.rollout.policy import Blindfold, Policy

FALL = 0.05  # metres below its first height at which an object counts as fallen
EVAL_ENVS = 10  # environments that play an evaluation's episodes side by side
LARGE = 0.02  # fraction of episodes that left the goal again, worth a remark


@dataclass(frozen=True)
class Evaluation:
    """Success and return of each episode; and how well a goal regression located the achieved goal."""

    success: NDArray[np.bool_]  # (E,) at the last step
    ever: NDArray[np.bool_]  # (E,) at any step
    returns: NDArray[np.float64]  # (E,)
    errors: NDArray[np.float64]  # (F,) metres, at each step of all episodes; empty without a goal regression
    fallen: NDArray[np.bool_]  # (F,) whether the object had dropped by more than FALL since the episode's first step
    distances: NDArray[np.float64]  # (E,) metres, of the object from its goal at the end; empty where there is none

    @property
    def success_rate(self) -> float:
        return float(self.success.mean())

    @property
    def ever_rate(self) -> float:
        return float(self.ever.mean())

    def to_dict(self) -> dict[str, Any]:
        return (
            {
                "success_rate": self.success_rate,
                "ever_success_rate": self.ever_rate,
                "ci95": wilson_interval(int(self.success.sum()), len(self.success)),
                "episodes": len(self.success),
                "mean_return": float(self.returns.mean()),
            }
            | self._distance()
            | self._position_errors()
        )

    @property
    def distance_cm(self) -> float | None:
        """Median distance of the object from its goal at the end of an episode, in centimetres; None without one."""
        return 100 * float(np.median(self.distances)) if len(self.distances) else None

    def _distance(self) -> dict[str, float]:
        return {} if self.distance_cm is None else {"final_distance_median_cm": round(self.distance_cm, 3)}

    def _position_errors(self) -> dict[str, float]:
        """Position errors in centimetres. An object that fell off the table is out of the images."""
        on_table = self.errors[~self.fallen]
        if not len(on_table):
            return {}
        values = {
            "position_rmse_cm": np.sqrt(np.square(on_table).mean()),
            "position_rmse_with_fallen_cm": np.sqrt(np.square(self.errors).mean()),
            "position_median_cm": np.median(on_table),
            "position_p90_cm": np.quantile(on_table, 0.9),
        }
        return {name: round(100 * float(value), 3) for name, value in values.items()}


def staying(result: dict[str, Any]) -> str:
    """Success at any step of `Evaluation.to_dict()`, as text, with a remark if it is much more than at the last step.

    An episode that succeeds at its last step succeeds at some step: the difference is episodes that left the goal.
    """
    ever = result["ever_success_rate"]
    left = ever - result["success_rate"]
    return f"{ever:.1%}" + (f": {left:.1%} of the episodes reach the goal and leave it again" if left >= LARGE else "")


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> list[float]:
    """95% confidence interval of a success rate (Wilson 1927): sensible at 0 and 1 too, unlike the normal one."""
    rate = successes / trials
    center = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return [max(0.0, min(rate, center - half)), min(1.0, max(rate, center + half))]  # rounding aside


def evaluate(
    vec: VectorEnv,
    policy: Policy,
    episodes: int,
    seed: int,
    blindfold: Blindfold | None = None,
    tell: Callable[[int], object] = int,
) -> Evaluation:
    """Play `episodes`, the same ones for the same seed and number of environments.

    A `blindfold` replaces the images. `tell` is called at each step with the number of episodes played.

    Every environment plays the same number of episodes, so that short episodes do not crowd out long ones; surplus
    episodes are left out.
    """
    per_env = math.ceil(episodes / vec.num_envs)
    success = np.zeros((per_env + 1, vec.num_envs), bool)  # surplus episodes go into the last row
    ever = np.zeros_like(success)
    returns = np.zeros((per_env + 1, vec.num_envs))
    distances = np.zeros_like(returns)
    played = np.zeros(vec.num_envs, int)
    env_indices = np.arange(vec.num_envs)
    obs, _ = vec.reset(seed=seed)
    frames, opens = policy.new_frames(), np.ones(vec.num_envs, bool)
    errors, fallen, height = [], [], np.zeros(vec.num_envs)
    # In Reach the achieved goal is where the hand is; what another task's numbers mean is not known.
    has_object = getattr(vec, "restorable", False) and envs.has_object(obs["observation"].shape[-1])
    while played.min() < per_env:
        shown = policy.observe(obs, frames, opens, blindfold)
        acted = policy.act(shown, deterministic=True)
        if acted.goal_estimate is not None:
            error = (acted.goal_estimate - shown.achieved_goal).norm(dim=1)  # in the goal space's units
            object_height = obs["achieved_goal"][:, 2] if has_object else height
            height = np.where(opens, object_height, height)
            errors.append(error.cpu().numpy()[played < per_env])
            fallen.append((object_height < height - FALL)[played < per_env])
        obs, reward, terminated, truncated, infos = vec.step(policy.scale(acted.action))
        opens = terminated | truncated
        episode = np.minimum(played, per_env), env_indices
        returns[episode] += reward
        success[episode] = envs.success_of_step(infos, opens)  # the last step's value stays
        ever[episode] |= success[episode]
        for row in np.flatnonzero(opens) if has_object else ():
            last = infos["final_obs"][row]
            distances[episode[0][row], row] = np.linalg.norm(last["achieved_goal"] - last["desired_goal"])
        played += opens
        tell(int(np.minimum(played, per_env).sum()))
    return Evaluation(
        success[:per_env].ravel()[:episodes],
        ever[:per_env].ravel()[:episodes],
        returns[:per_env].ravel()[:episodes],
        np.concatenate([*errors, np.empty(0)]),
        np.concatenate([*fallen, np.empty(0, bool)]),
        distances[:per_env].ravel()[: episodes if has_object else 0],
    )


def evaluate_blindfolded(
    vec: VectorEnv, policy: Policy, episodes: int, seed: int, tell: Callable[[int], object] = int
) -> dict[str, float]:
    """Success rates with black images, and with those of another episode; empty if the agent sees no images.

    `tell` counts on from the `episodes` of the evaluation before.
    """
    if not policy.layout.pixels:
        return {}

    def after(before: int) -> Callable[[int], object]:
        return lambda played: tell(before + played)

    rates = {
        name: evaluate(vec, policy, episodes, seed, name, tell=after(number * episodes)).success_rate
        for number, name in enumerate(get_args(Blindfold), start=1)
    }
    return {"blindfold_success_rate": rates["black"], "another_image_success_rate": rates["another"]}
