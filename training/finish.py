"""The end of a run: evaluate, film, and print the outcome in a short table."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

import envs
from training import logger, run_folder
from training.logger import Row
from training.progress import Counted, closing_table, duration
from training.rollout.evaluate import evaluate, evaluate_blindfolded, staying
from training.trainer import Trainer
from training.training_state import TrainingState

EVAL, VIDEO, FILMED = "eval.json", "video.mp4", 5
_MEASURED = {  # of eval.json: least and greatest value
    "success_rate": (0, 1), "ever_success_rate": (0, 1), "episodes": (1, 1e6), "env_steps": (0, 1e12),
    "updates": (0, 1e15), "wall_seconds": (0, 1e12),
}  # fmt: skip
_SOMETIMES = {  # of those that not every run has
    "blindfold_success_rate": (0, 1), "another_image_success_rate": (0, 1), "steps_to_90": (0, 1e12),
    "seconds_to_90": (0, 1e12), "position_rmse_cm": (0, 1e6), "final_distance_median_cm": (0, 1e6),
}  # fmt: skip
_WHOLE = ("episodes", "env_steps", "updates", "steps_to_90")


def can_be_true(result: Mapping[str, Any]) -> bool:
    """Whether the numbers of an eval.json are there, and lie in their ranges."""
    numbers = {"ever_success_rate": 0.0} | dict(result)  # the oldest runs have none
    there = {name: limits for name, limits in _SOMETIMES.items() if numbers.get(name) is not None}
    for name, (least, most) in (_MEASURED | there).items():
        value = numbers.get(name)
        if isinstance(value, bool) or not isinstance(value, int if name in _WHOLE else int | float):
            return False
        if not least <= value <= most:
            return False
    return True


def first_of_two(rows: list[Row], level: float) -> Row | None:
    """The first of two consecutive evaluations at `level` or more, or None."""
    evaluated = [row for row in rows if "eval_success" in row]
    for row, following in itertools.pairwise(evaluated):
        if row["eval_success"] >= level and following["eval_success"] >= level:
            return row
    return None


def finish(trainer: Trainer, training_state: TrainingState, folder: Path, console: Console) -> None:
    """Evaluate, write eval.json, print a table, and film."""
    config, wall_seconds = trainer.config, training_state.seconds
    seed = trainer.seeds["final_evaluation"]
    blind = ", then with black images and with those of another episode" if config.layout.pixels else ""
    say = functools.partial(console.print, soft_wrap=True)
    rounds = 3 if config.layout.pixels else 1
    tell = Counted(say, f"evaluating {config.final_episodes} episodes{blind}", rounds * config.final_episodes)
    with trainer.evaluating() as vec:
        playing = vec, trainer.policy, config.final_episodes, seed
        result = evaluate(*playing, tell=tell).to_dict() | evaluate_blindfolded(*playing, tell=tell)
    to_90 = first_of_two(logger.read_rows(folder), 0.9)
    result |= {
        "env_steps": training_state.step,
        "updates": training_state.updates,
        "wall_seconds": round(wall_seconds, 1),
        "steps_to_90": to_90 and int(to_90["step"]),
        "seconds_to_90": to_90 and round(to_90["seconds"], 1),
    }
    if training_state.replay_began:  # not at the start: the run lost what it had stored before
        result["replay_began"] = training_state.replay_began
    run_folder.write_json(folder / EVAL, result)
    low, high = result["ci95"]
    seeing = []
    if "blindfold_success_rate" in result:
        seeing = [("blindfold", f"{result['blindfold_success_rate']:.1%} with black images, "
                   f"{result['another_image_success_rate']:.1%} with those of another episode")]  # fmt: skip
    if "final_distance_median_cm" in result:
        seeing = [("from the goal", f"{result['final_distance_median_cm']:.1f} cm at the end (median)"), *seeing]
    closing_table(
        console,
        [
            ("success", f"{result['success_rate']:.1%} [{low:.1%}, {high:.1%}] of {result['episodes']} episodes"),
            ("at any step", staying(result)),
            *seeing,
            ("steps", f"{training_state.step}, {training_state.updates} updates, {duration(wall_seconds)}"),
            ("to 90%", f"{int(to_90['step'])} steps, {duration(to_90['seconds'])}" if to_90 else "not reached"),
            ("run", f"{folder}"),
        ],
    )
    if config.video:  # last, for it may take a while, or turn out impossible
        tell = Counted(say, f"filming {FILMED} episodes", FILMED)
        trainer.close()  # so that no other process holds a GL context while this one films
        try:
            envs.record(
                config.env_id,
                trainer.policy.deterministic(),
                folder / VIDEO,
                episodes=FILMED,
                seed=seed,
                view=config.view,
                max_episode_steps=config.max_episode_steps,
                tell=tell,
            )
            video = str(folder / VIDEO)
        except (envs.RenderError, envs.NotFinite, OSError) as error:
            video = f"skipped: {error}"
        console.print(f"video: {video}", soft_wrap=True)
