"""A run's saved state taken up again; dealt out anew, if it goes on with more ranks or fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import envs
from replay import lanes
from training import checkpoint, run_folder
from training.errors import UserError
from training.recorder import Recorder
from training.session import Session


def restore(session: Session, recorder: Recorder, states: list[dict[str, Any]], saved_ranks: int) -> list[str]:
    """Returns what does not go on as it was, in sentences; raises UserError if the states are not of this session."""
    ranks, config, notes = session.ranks, session.config, []
    try:
        recorder.load_state_dict(states[0]["recorder"], session.device)
        if config.resume_without_replay:
            recorder.replay_began = recorder.step
        state = states[0]["session"]
        if saved_ranks != ranks.count:
            state = dealt_anew([one["session"] for one in states], ranks.rank, ranks.count)
            notes.append(
                f"The run had {saved_ranks} ranks and has {ranks.count} now: its episodes were dealt out anew, and it "
                "does not go on bit for bit."
            )
        if not session.load_state_dict(state, recorder.step):
            empty = config.resume_without_replay
            reason = "The replay starts empty" if empty else f"{config.env_id} cannot be saved in mid-episode"
            notes.append(f"{reason}: the open episodes were dropped.")
        return notes
    except envs.WorkerError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{checkpoint.RESUME} does not fit {run_folder.CONFIG} ({type(error).__name__}): take both from one run."
        ) from None


def dealt_anew(states: Sequence[dict[str, Any]], rank: int, count: int) -> dict[str, Any]:
    """`Session.state_dict()` of rank `rank` of `count`, from those of all ranks that were; it is cut by environments.

    What belongs to the run as a whole is the first one's. Random numbers are left out: nothing goes on bit for bit, and
    no two ranks are to draw the same.
    """
    ring = lanes.joined([state["ring"] for state in states])
    each = int(ring["shape"][1]) // count
    mine = slice(rank * each, (rank + 1) * each)
    collectors = [state["collector"] for state in states]
    first = collectors[0]

    def together(*path: str) -> torch.Tensor | None:
        found: list[Any] = collectors
        for name in path:
            found = [one[name] for one in found]
        return None if found[0] is None else torch.cat(found)[mine].clone()

    environments = None if first["envs"] is None else [env for one in collectors for env in one["envs"]][mine]
    collector = first | {
        "envs": environments,
        "seen": {name: together("seen", name) for name in first["seen"]},
        "episode_return": together("episode_return"),
        "to_object": together("to_object"),
        "explorer": first["explorer"] | {name: together("explorer", name) for name in ("guided_steps", "heading")},
        "success": [success for one in collectors for success in one["success"]],
        "returns": [value for one in collectors for value in one["returns"]],
    }
    collector["explorer"]["generator"] = None
    return {
        "agent": states[0]["agent"] | {"generator": None},
        "ring": lanes.cut(ring, mine) | {"generator": None},
        "collector": collector,
    }
