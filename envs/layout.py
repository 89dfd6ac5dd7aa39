"""Observation layouts by name: which numbers a Fetch observation holds, and which of them the networks see.

No index range is written down anywhere else. No torch is imported here.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

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

# The robot's own state: 10 numbers, or 5 without velocities, none of them the object's. (In Reach, grip_pos IS the
# achieved goal.)
PROPRIOCEPTION = ("grip_pos", "gripper_state", "grip_velp", "gripper_vel")
PARTS = {"proprioception": PROPRIOCEPTION, "minimal_proprioception": ("grip_pos", "gripper_state")}


class Layout(NamedTuple):
    """Parts of an observation that the networks read, besides the desired goal, which they always read.

    `vector` names observation keys, or a key of `PARTS`.
    """

    pixels: bool
    vector: tuple[str, ...]
    indices: tuple[int, ...] | None = None  # columns of the observation that are proprioception; None in a Fetch task

    @property
    def shows_achieved(self) -> bool:
        """Whether the achieved goal (the object's position, except in Reach) is among the inputs."""
        return "achieved_goal" in self.vector

    def with_proprioception(self, amount: Literal["none", "minimal", "full"]) -> Layout:
        """Copy of the layout with this `amount` of proprioception, if the layout has any."""
        name = {"none": (), "minimal": ("minimal_proprioception",), "full": ("proprioception",)}[amount]
        parts = (name if part == "proprioception" else (part,) for part in self.vector)
        return self._replace(vector=tuple(itertools.chain(*parts)))


LAYOUTS = {
    "state": Layout(False, ("observation", "achieved_goal")),
    "chapter": Layout(True, ("proprioception", "achieved_goal")),
    "honest": Layout(True, ("proprioception",)),
    "pixels-only": Layout(True, ()),
    # The previous two for non-Fetch environments: the user has to know whether they hide the object.
    "pixels+vector+goal": Layout(True, ("proprioception",)),
    "pixels+goal": Layout(True, ()),
    # Controls: the same vectors without the images.
    "blind": Layout(False, ("proprioception", "achieved_goal")),
    "honest-blind": Layout(False, ("proprioception",)),
}


def slices(fields: Sequence[tuple[str, int]]) -> dict[str, slice]:
    """Slice of each named field in the observation vector."""
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


def has_object(size: int) -> bool:
    """Whether observations of `size` numbers are those of a Fetch task with an object."""
    return size == sum(count for _, count in OBJECT_FIELDS)


def take(observation: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The named fields of Fetch observations (..., 25 or 10), concatenated along the last axis."""
    fields = fetch_fields(observation.shape[-1])
    return np.concatenate([observation[..., fields[name]] for name in names], axis=-1)


def vector_of(observation: Mapping[str, np.ndarray], layout: Layout) -> np.ndarray:
    """The numbers that the networks read from a batch of observations, apart from the desired goal.

    Args:
        observation: arrays (N, n) by key, as a vector environment returns them.
        layout: selects the numbers.

    Returns:
        (N, V) float32, a copy; V is `vector_size`.
    """
    parts = [_part(observation, name, layout) for name in layout.vector]
    if not parts:
        return np.zeros((len(observation["desired_goal"]), 0), np.float32)
    return np.concatenate(parts, axis=-1, dtype=np.float32, casting="same_kind")


def _part(observation: Mapping[str, np.ndarray], name: str, layout: Layout) -> np.ndarray:
    if name not in PARTS:
        return observation[name]
    if layout.indices is not None:
        return observation["observation"][..., list(layout.indices)]
    return take(observation["observation"], PARTS[name])


def parse_indices(text: str) -> tuple[int, ...]:
    """Parse indices: "0:3,9:11" gives (0, 1, 2, 9, 10). Python's ranges and single numbers, without repetitions.

    Raises ValueError, a sentence, for anything else.
    """
    found: list[int] = []
    for part in text.split(","):
        first, colon, end = part.strip().partition(":")
        if not first.isdecimal() or (colon and not end.isdecimal()):
            raise ValueError(f"'{part}' names no numbers: give ranges and single ones, as in 0:3,9:11.")
        found += range(int(first), int(end) if colon else int(first) + 1)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"'{text}' names none, or one twice: give different numbers, as in 0:3,9:11.")
    return tuple(found)


def vector_size(observation_space: gym.Space, layout: Layout) -> int:
    """V, the width of `vector_of(observation, layout)`, from a single observation space."""
    assert isinstance(observation_space, gym.spaces.Dict)
    example = {key: np.zeros((1, *(space.shape or ()))) for key, space in observation_space.spaces.items()}
    return vector_of(example, layout).shape[-1]
