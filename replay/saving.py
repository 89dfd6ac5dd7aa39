"""Saving a storage and continuing from a checkpoint, even if its images on disk have been overwritten."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from replay.on_disk import UNKNOWN, OnDisk
from replay.storage import Storage


def state_dict(storage: Storage) -> dict[str, Any]:
    """State of a storage, written rows only. On a CPU, tables are views: save them before the next step.

    Of the images on disk, only each environment's newest is included: the next transition starts from this image, even
    if all others are overwritten.
    """
    cursors, on_disk = storage.cursors, storage.on_disk
    used = storage.written
    state: dict[str, Any] = {
        "shape": (storage.slots, storage.num_envs),
        "tables": {name: _first_rows(storage.tables[name], used) for name in _saved(storage)},
        "cursors": {name: cursor.clone() for name, cursor in cursors.items()},
    }
    if on_disk is not None:
        on_disk.flush()
        state["tables"]["number"] = _first_rows(on_disk.numbers, used)
        state["tables"]["checksum"] = _first_rows(on_disk.checksums, used)
        state["cursors"]["pixels"] = storage.read("pixels", storage.all_envs, cursors["newest"])
    return state


def load_state_dict(storage: Storage, state: dict[str, Any]) -> None:
    """Continue from `state_dict()`, without the transitions whose images on disk were overwritten since.

    Raises ValueError for a ring of another shape; raises ImagesDamaged, before the file is changed, if images on disk
    differ from those that were stored.
    """
    if tuple(state["shape"]) != (storage.slots, storage.num_envs):
        raise ValueError(
            f"the saved ring has {state['shape']} slots and environments, this one {storage.slots, storage.num_envs}"
        )
    storage.has_begun = storage.has_transitions = False  # to be checked again
    saved, names = state["tables"], _saved(storage)
    if any(saved[name].shape[1:] != storage.tables[name].shape[1:] for name in names):
        raise ValueError("the saved ring holds observations, goals or actions of other sizes than this one")
    for name in names:
        storage.tables[name][: len(saved[name])] = saved[name]
    for name, cursor in storage.cursors.items():
        cursor.copy_(state["cursors"][name])
    if storage.on_disk is not None:
        storage.number_beyond(state)
        _drop_overwritten(storage, storage.on_disk, saved, state["cursors"]["pixels"])


def _saved(storage: Storage) -> list[str]:
    return [name for name in storage.tables if name != "pixels" or storage.on_disk is None]


def _drop_overwritten(storage: Storage, on_disk: OnDisk, saved: dict[str, Tensor], pixels: Tensor) -> None:
    """Drop transitions whose images were overwritten since the checkpoint, and put back the newest images, `pixels`
    (N, H, W, C). `saved` holds "number" and "checksum" (R,) of the first R rows' images at the checkpoint."""
    numbers, checksums = torch.zeros_like(on_disk.numbers), torch.full_like(on_disk.checksums, UNKNOWN)
    numbers[: len(saved["number"])], checksums[: len(saved["number"])] = saved["number"], saved["checksum"]
    newest, lost = storage.cursors["newest"], storage.cursors["lost"]
    here = storage.row(newest, storage.all_envs)
    kept = (numbers == on_disk.numbers).index_fill(0, here, False).nonzero()[:, 0]
    on_disk.take_over(kept, checksums[kept])
    on_disk.put_back(here, pixels, numbers[here])
    overwritten = (numbers != on_disk.numbers).view(storage.slots, storage.num_envs)
    after = torch.where(overwritten, _held(storage, newest), -1).amax(0) + 1  # after the latest that is overwritten
    intact = storage.cursors["intact"].copy_(torch.maximum(storage.cursors["intact"], after))
    transition = storage.tables["transition"].view(storage.slots, storage.num_envs)
    lost += ((_held(storage, storage.cursors["added"] - 1) >= lost) & (transition < intact)).sum(0)


def _held(storage: Storage, latest: Tensor) -> Tensor:
    """Time, or number of the transition, that each slot holds, (slots, N), up to `latest` (N,); negative for none."""
    return latest - (latest - torch.arange(storage.slots, device=storage.device)[:, None]) % storage.slots


def _first_rows(table: Tensor, rows: int) -> Tensor:
    """First rows of a table, on the CPU without a copy: of its own slices torch saves all memory, of numpy's only the
    slice."""
    return torch.from_numpy(table.numpy()[:rows]) if table.device.type == "cpu" else table[:rows].cpu()
