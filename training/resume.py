"""Resuming from a run's saved state, which is divided anew if the number of ranks has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

import envs
from replay import reshard
from replay.on_disk import ImagesDamaged
from training import checkpoint, logger, run_folder
from training.config.flags import Config
from training.config.saved import from_json
from training.errors import RunFailed, UserError, environment_failed, ran_out_of_memory
from training.ranks import Ranks
from training.trainer import Trainer
from training.training_state import TrainingState


@dataclass
class Opened:
    """A run's folder and, on a resume, its saved states."""

    folder: Path
    lock: run_folder.Lock | None  # rank 0's
    states: list[dict[str, Any]]  # this rank's own, or all ranks' if their number has changed
    ranks: int  # number of ranks in the checkpoint

    def lock_for(self, ranks: Ranks) -> None:
        """Lock the folder on rank 0, unless it is locked already: so far it was only checked to be free."""
        if ranks.rank == 0 and self.lock is None:
            self.lock = run_folder.Lock(self.folder)


def open_run(config: Config, ranks: Ranks, say: Callable[[str], None]) -> Opened | None:
    """Find the run's folder on rank 0 and tell the others. Raises UserError; returns None if another rank raised.

    `say` is given a sentence before each slow step: reading the checkpoint, and preparing the parts.
    """
    told, lock, states = "", None, []
    if ranks.rank == 0:
        try:
            folder = Path(config.resume or run_folder.free_folder(config))
            count, step = ranks.count, 0
            if config.resume:
                lock = run_folder.Lock(folder)
                if (folder / checkpoint.RESUME).is_file():
                    say(f"{folder}: reading the checkpoint ...")
                first = checkpoint.load(folder / checkpoint.RESUME, "cpu")
                check_unchanged(folder / run_folder.CONFIG, config, first.get("config"))
                count, step = int(first.get("ranks", 1)), int(first.get("training_state", {}).get("step", 0))
                if (rows := first.get("rows")) is not None and rows != logger.fingerprint(folder, step):
                    say(f"{folder / logger.CSV} has changed since the checkpoint: not all of its rows are the run's.")
                states = [first]
            told = json.dumps([str(folder), count, step])
            say(f"{folder}: preparing environments and replay ...")
        finally:  # also where it raises: the others wait
            told = ranks.broadcast(told)
    elif not (told := ranks.broadcast("")):
        return None
    name, count, step = json.loads(told)
    if config.resume and (ranks.rank or count != ranks.count):
        states = ranks.load(Path(name), count, step)
    return Opened(Path(name), lock, states, count)


def begin(trainer: Trainer, training_state: TrainingState, opened: Opened, tell: Callable[[str], object]) -> None:
    """Continue from the saved states, or open the first episodes. Tells in sentences what is not continued exactly.
    Raises UserError for states of another run, and RunFailed if an environment raises."""
    try:
        if not opened.states:
            return trainer.start(tell)
        for sentence in restore(trainer, training_state, opened):
            tell(sentence)
    except Exception as error:
        if (failure := trainer.train_envs.failure) is None:
            raise
        raise RunFailed(f"{environment_failed(failure, trainer.config.env_id, opened.folder)}.") from error


def restore(trainer: Trainer, training_state: TrainingState, opened: Opened) -> list[str]:
    """Restore the states; returns sentences on what is not continued exactly. Raises UserError for another run's
    states."""
    ranks, config, notes = trainer.ranks, trainer.config, []
    try:
        training_state.load_state_dict(opened.states[0]["training_state"], trainer.device)
        state = opened.states[0]["trainer"]
        if opened.ranks != ranks.count:
            state = resharded([one["trainer"] for one in opened.states], ranks.rank, ranks.count)
            notes.append(
                f"The run had {opened.ranks} ranks and has {ranks.count} now: its episodes were dealt out anew, and it "
                "does not go on bit for bit."
            )
        opened.states.clear()
        cursors = state["ring"]["cursors"]
        saved = int((cursors["added"] - cursors["lost"]).sum())
        if not trainer.load_state_dict(state, training_state.step):
            empty = config.resume_without_replay
            reason = "The replay starts empty" if empty else f"{config.env_id} cannot be saved in mid-episode"
            notes.append(f"{reason}: the open episodes were dropped.")
        if config.resume_without_replay:
            fill_again(trainer, training_state, saved)
        elif trainer.ring.storage.on_disk is not None:  # only images on disk can be lost; open episodes go on
            dropped, wait = fill_again(trainer, training_state, saved)
            reason = "steps after the checkpoint overwrote their images"
            pause = f"; the next update waits for {wait} more, of random actions" if wait > 0 else ""
            if dropped:
                notes.append(f"{dropped} stored transitions were dropped: {reason}{pause}.")
        return notes
    except envs.WorkerError:
        raise
    except ImagesDamaged as error:
        raise UserError(f"{error}: --resume-without-replay goes on without them.") from None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if ran_out_of_memory(error):
            raise
        raise UserError(
            f"{checkpoint.RESUME} does not fit {run_folder.CONFIG} ({type(error).__name__}): take both from one run."
        ) from None


def check_unchanged(file: Path, config: Config, saved: str | None) -> None:
    """Raise UserError if `config`, read from `file`, differs from the flags `saved` with the state; None: an older
    version saved none."""
    before = from_json(json.dumps(asdict(config) | json.loads(saved or "{}")))
    for name in (field.name for field in fields(Config) if field.name not in Config.RESUMABLE):
        now, then = getattr(config, name), getattr(before, name)
        if now != then:
            raise UserError(f"{file} says that {name} is {now}, but the run was saved with {then}: put that back.")


def fill_again(trainer: Trainer, training_state: TrainingState, saved: int) -> tuple[int, int]:
    """Delay the next update until a replay that has lost some of its `saved` transitions is filled again.

    Returns the number of lost transitions, over all ranks, and the number still missing before learning.
    """
    ranks, held = trainer.ranks, len(trainer.ring)
    dropped = torch.tensor(saved - held)
    ranks.sum(dropped)
    left = ranks.minimum(held) * ranks.count  # all learn, or none
    if dropped:
        training_state.replay_began = training_state.step - left  # as if it had begun there: one transition per step
    return int(dropped), max(trainer.config.learning_starts, trainer.config.num_envs) - left


def resharded(states: Sequence[dict[str, Any]], rank: int, count: int) -> dict[str, Any]:
    """`Trainer.state_dict()` for rank `rank` of `count`, from the states of all former ranks, divided by environments.

    State of the run as a whole comes from the first rank. Random numbers are left out: nothing goes on bit for bit, and
    no two ranks may sample the same.
    """
    ring = reshard.joined([state["ring"] for state in states])
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
        "shown": {
            "obs": {name: together("shown", "obs", name) for name in first["shown"]["obs"]},
            "goal": together("shown", "goal"),
            "achieved_goal": together("shown", "achieved_goal"),
        },
        "episode_return": together("episode_return"),
        "to_object": together("to_object"),
        "explorer": first["explorer"] | {name: together("explorer", name) for name in ("guided_steps", "heading")},
        "success": [success for one in collectors for success in one["success"]],
        "returns": [value for one in collectors for value in one["returns"]],
    }
    collector["explorer"]["generator"] = None
    return {
        "learner": states[0]["learner"] | {"generator": None},
        "ring": reshard.cut(ring, mine) | {"generator": None},
        "shift": {"generator": None},
        "collector": collector,
    }
