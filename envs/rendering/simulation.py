"""The MuJoCo simulation inside an environment, whoever wrote it. No GL is imported here."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco


def simulation(env: gym.Env[Any, Any]) -> tuple[mujoco.MjModel, mujoco.MjData] | None:
    """Model and data of an environment, or of one that it holds (a maze's robot); None where there is no MuJoCo."""
    task = env.unwrapped
    for holder in (task, *vars(task).values()):
        model, data = getattr(holder, "model", None), getattr(holder, "data", None)
        if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
            return model, data
    return None
