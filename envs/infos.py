"""Info and option dictionaries of vector environments. No torch is imported here."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

FLAGS = ("is_success", "success")


def success_of(infos: Mapping[str, Any], num_envs: int) -> np.ndarray:
    """Success flags in an info dictionary, or in its `final_info`.

    Args:
        infos: infos of a vector environment's step; pass `infos["final_info"]` for the episodes that have just ended.
        num_envs: number of environments.

    Returns:
        (num_envs,) bool; False where neither `is_success` nor `success` is present.
    """
    flags = np.zeros(num_envs, dtype=np.bool_)
    for name in FLAGS:
        if name in infos:
            values = np.asarray(infos[name])
            if values.dtype.kind == "f":
                values = np.nan_to_num(values)  # what is not known yet is no success
            flags |= values.astype(np.bool_) & np.asarray(infos.get(f"_{name}", True), dtype=np.bool_)
    return flags


def success_of_step(infos: Mapping[str, Any], ended: np.ndarray) -> np.ndarray:
    """Success flags of a step, (num_envs,) bool, read from `final_info` where the episode `ended` (num_envs,) bool."""
    success = success_of(infos, len(ended))
    return np.where(ended, success_of(infos["final_info"], len(ended)), success) if ended.any() else success


def fetch_infos(success: np.ndarray, ended: np.ndarray, finals: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Infos of a Fetch step in the vector API's form, where each entry has a mask `_entry`.

    Args:
        success: (N,) float32, of the step itself.
        ended: (N,) bool, where an episode ended: its success goes into `final_info`, as a reset has no info.
        finals: last observations of the ended episodes, (N, n) by observation key.
    """
    infos: dict[str, Any] = {}
    if ended.any():
        infos["final_obs"] = np.full(len(ended), None, dtype=object)
        for row in np.flatnonzero(ended):
            infos["final_obs"][row] = {key: array[row].copy() for key, array in finals.items()}
        infos["final_info"] = {"is_success": np.where(ended, success, np.float32(0)), "_is_success": ended.copy()}
        infos["_final_obs"], infos["_final_info"] = ended.copy(), ended.copy()
    if not ended.all():
        infos["is_success"] = np.where(ended, np.float32(0), success)
        infos["_is_success"] = ~ended
    return infos


def picklable(infos: Any) -> Any:
    """Infos, or lists and tuples of them, without the entries that cannot be sent to another process."""
    if isinstance(infos, dict):
        return {key: value for key, value in infos.items() if _pickles(value)}
    return type(infos)(map(picklable, infos)) if isinstance(infos, list | tuple) else infos


def _pickles(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # each class has its own
        return False
    return True


def fits(there: Any, value: Any) -> bool:
    """Whether gymnasium can put an info's `value` into `there`, the entry's array or dict of other environments."""
    if there is None or isinstance(there, dict) or isinstance(value, dict):
        return there is None or (isinstance(there, dict) and isinstance(value, dict))
    if there.dtype == object:
        return True
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unlike lengths
        return False
    numbers = "biufc"
    return array.shape == there.shape[1:] and (array.dtype.kind in numbers) == (there.dtype.kind in numbers)


def as_objects(there: Any, mask: np.ndarray) -> np.ndarray:
    """Convert an info entry to an array of objects (N,), None where `mask` (N,) is False."""
    objects = np.full(len(mask), None, dtype=object)
    for row in np.flatnonzero(mask):
        if isinstance(there, dict):
            objects[row] = {key: part[row] for key, part in there.items() if f"_{key}" in there}
        else:
            objects[row] = there[row]
    return objects


def split_mask(options: dict[str, Any] | None, num_envs: int) -> tuple[np.ndarray, dict[str, Any] | None]:
    """Mask (num_envs,) bool of the environments to reset, and the other options. Raises TypeError or ValueError."""
    if options is None or "reset_mask" not in options:
        return np.ones(num_envs, dtype=np.bool_), options
    rest = dict(options)
    mask = rest.pop("reset_mask")
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError("options['reset_mask'] must be a numpy array of dtype bool.")
    if mask.shape != (num_envs,) or not mask.any():
        raise ValueError(f"options['reset_mask'] must have shape ({num_envs},) and name one environment or more.")
    return mask, rest
