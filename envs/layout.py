"""Observation layouts by name: which numbers a Fetch observation holds, and which of them the networks see.

No index range is written down anywhere else. No torch is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gymnasium as gym
import numpy as np

# (name, how many numbers), in the order of the observation vector.
OBJECT_FIELDS = (
    ("grip_pos", 3),
    ("object_pos", 3),
    ("object_rel_pos", 3),
    ("gripper_state", 2),
    ("object_rot", 3),
    ("object_velp", 3),
    ("object_velr", 3),
    ("grip_velp", 3),
    ("gripper_vel", 2),
)
REACH_FIELDS = (("grip_pos", 3), ("gripper_state", 2), ("grip_velp", 3), ("gripper_vel", 2))

# What a robot knows of itself: 10 numbers, none of them the object's. (In Reach, grip_pos IS the achieved goal.)
PROPRIOCEPTION = ("grip_pos", "gripper_state", "grip_velp", "gripper_vel")

# Layout -> the parts of the vector that the networks see, the desired goal aside. A part is an observation key.
LAYOUTS: dict[str, tuple[str, ...]] = {
    "state": ("observation", "achieved_goal"),
}


def slices(fields: Sequence[tuple[str, int]]) -> dict[str, slice]:
    """Where each named field lies in the observation vector."""
    ends = np.cumsum([size for _, size in fields]).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(fields, ends, strict=True)}


def fetch_fields(size: int) -> dict[str, slice]:
    """The named fields of a Fetch observation of `size` numbers: 25 with an object, 10 in Reach.

    Raises:
        ValueError: for any other size; such an observation has no names.
    """
    for fields in (OBJECT_FIELDS, REACH_FIELDS):
        if sum(count for _, count in fields) == size:
            return slices(fields)
    raise ValueError(f"An observation of {size} numbers is not a Fetch task's (25, or 10 in Reach): it has no names.")


def take(observation: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The named fields of Fetch observations (..., 25 or 10), concatenated along the last axis."""
    fields = fetch_fields(observation.shape[-1])
    return np.concatenate([observation[..., fields[name]] for name in names], axis=-1)


def check_layout(layout: str) -> None:
    """Raise ValueError, naming the valid layouts, if `layout` is none of them."""
    if layout not in LAYOUTS:
        raise ValueError(f"There is no observation layout '{layout}': choose {' or '.join(sorted(LAYOUTS))}.")


def vector_of(observation: Mapping[str, np.ndarray], layout: str) -> np.ndarray:
    """What the networks see of a batch of observations, apart from the desired goal, which the agent appends.

    Args:
        observation: arrays (N, n) by key, as a vector environment returns them.
        layout: a key of `LAYOUTS`.

    Returns:
        (N, V) float32, a copy; V is `vector_size`.
    """
    check_layout(layout)
    return np.concatenate(
        [observation[part] for part in LAYOUTS[layout]], axis=-1, dtype=np.float32, casting="same_kind"
    )


def vector_size(observation_space: gym.Space, layout: str) -> int:
    """V, the width of `vector_of(observation, layout)`, from a single or a batched observation space."""
    check_layout(layout)
    assert isinstance(observation_space, gym.spaces.Dict)
    parts = [observation_space[part].shape for part in LAYOUTS[layout]]
    return sum(shape[-1] for shape in parts if shape is not None)
