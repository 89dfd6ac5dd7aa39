"""Goal environments: built, checked, stepped in parallel, restored, rewarded and filmed.

Names that need torch (`reward_fn`, `reward_range`) or render (`record`) are loaded on first use: worker processes
import this package and need neither.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from envs.registry import find_spec, make_env  # first: it imports MuJoCo and gymnasium-robotics with care

# isort: split
from envs.check import check_goal_env, check_goal_images, check_layout, is_restorable, played_steps
from envs.failure import Failure, Unusable
from envs.finite import NotFinite
from envs.infos import success_of, success_of_step
from envs.layout import (
    LAYOUTS,
    PROPRIOCEPTION,
    Layout,
    fetch_fields,
    has_object,
    parse_indices,
    take,
    vector_of,
    vector_size,
)
from envs.make import cores, make_vec
from envs.rendering.cameras import CAMERAS, PIXELS, SIZE, CameraConfig, check_cameras
from envs.rendering.frames import check_view, make_seen
from envs.rendering.gl import RenderError, check_gl, is_software
from envs.vector import GoalVectorEnv
from envs.workers.remote import WorkerError

if TYPE_CHECKING:
    from envs.rendering.goal_images import GoalImages
    from envs.rendering.observation import PixelObservation
    from envs.rendering.video import Overlay, enlarged, record
    from envs.reward import reward_fn, reward_range, reward_when_needed

__all__ = [
    "CAMERAS",
    "LAYOUTS",
    "PIXELS",
    "PROPRIOCEPTION",
    "SIZE",
    "CameraConfig",
    "Failure",
    "GoalImages",
    "GoalVectorEnv",
    "Layout",
    "NotFinite",
    "Overlay",
    "PixelObservation",
    "RenderError",
    "Unusable",
    "WorkerError",
    "check_cameras",
    "check_gl",
    "check_goal_env",
    "check_goal_images",
    "check_layout",
    "check_view",
    "cores",
    "enlarged",
    "fetch_fields",
    "find_spec",
    "has_object",
    "is_restorable",
    "is_software",
    "make_env",
    "make_seen",
    "make_vec",
    "parse_indices",
    "played_steps",
    "record",
    "reward_fn",
    "reward_range",
    "reward_when_needed",
    "success_of",
    "success_of_step",
    "take",
    "vector_of",
    "vector_size",
]

_LAZY = {
    "reward_fn": "reward",
    "reward_range": "reward",
    "reward_when_needed": "reward",
    "record": "rendering.video",
    "Overlay": "rendering.video",
    "enlarged": "rendering.video",
    "PixelObservation": "rendering.observation",
    "GoalImages": "rendering.goal_images",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'envs' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
