"""Evaluate a trained agent: `python eval.py RUN [--episodes 100] [--seed S] [--video PATH] [--json]`.

`python eval.py --version` says which version of the program this is.
"""

from __future__ import annotations

import sys

from training import interrupt

if __name__ == "__main__":
    interrupt.end_quietly()

import contextlib
import dataclasses
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

import envs
from training import run_folder
from training.config.cli import check_text, name_and_version
from training.config.validation import check
from training.errors import RunFailed, UserError, environment_failed, guarded, ran_out_of_memory
from training.evaluator import Evaluator
from training.finish import FILMED
from training.output import standard_output_to_error
from training.progress import Counted, closing_table
from training.rollout.evaluate import evaluate, evaluate_blindfolded, staying
from training.rollout.keypoints import keypoints
from training.seeds import END


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[Path]
    """A run's folder, whose latest model plays; or a model, such as RUN/best.pt, which needs no folder."""
    episodes: int = 100
    """Episodes to play without exploration."""
    seed: int | None = None
    """Seed of the episodes; None takes that of the run's closing evaluation: the same episodes, on as many ranks."""
    video: Path | None = None
    """Film some of the episodes into this file (mp4)."""
    keypoints: Path | None = None
    """Film some of the episodes into this file, with the SpatialSoftmax's points drawn on what the agent sees."""
    blindfold: bool = False
    """Evaluate also with black images and with images of another episode: an agent that uses its images must fail."""
    json: bool = False
    """Print one JSON object instead of a table."""


def run(arguments: Arguments) -> None:
    """Evaluate, film and print as `arguments` say. Raises UserError for invalid arguments and missing files."""
    with standard_output_to_error() if arguments.json else contextlib.nullcontext():
        result = evaluated(arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    low, high = result.pop("ci95")
    shown = f"{result['success_rate']:.1%} [{low:.1%}, {high:.1%}]"
    said = result | {"success_rate": shown, "ever_success_rate": staying(result)}
    if "chosen_with" in result:
        count = run_folder.config_of(arguments.run).eval_episodes
        said["chosen_with"] = f"{result['chosen_with']:.1%} of {count} episodes, the most of its run's evaluations"
    closing_table(Console(markup=False), [(name, str(value)) for name, value in said.items()])


def evaluated(arguments: Arguments) -> dict[str, Any]:
    """What there is to print, by name. Raises UserError for invalid arguments and missing files."""
    if not 1 <= arguments.episodes <= 1_000_000:
        raise UserError(f"--episodes is {arguments.episodes}: ask for at least 1 and at most 1000000.")
    if arguments.seed is not None and not 0 <= arguments.seed < END:
        raise UserError(f"--seed is {arguments.seed}: it must lie between 0 and {END - 1}.")
    for flag, path in (("--video", arguments.video), ("--keypoints", arguments.keypoints)):
        if path is not None and path.suffix != ".mp4":
            raise UserError(f"{flag} is {path}: name a file that ends in .mp4.")
    folder, file = run_folder.folder_and_model(arguments.run)
    config = run_folder.config_of(arguments.run)
    if config.device.startswith("cuda"):  # a policy trained on a GPU plays without one too
        config = dataclasses.replace(config, device="auto")
    if arguments.blindfold and not config.layout.pixels:
        raise UserError(
            f"--blindfold takes images away, and {arguments.run} was trained without any (--obs {config.obs})."
        )
    check(config)
    evaluator = Evaluator(config)
    try:
        saved = evaluator.load(file)
        seed = evaluator.seeds["final_evaluation"] if arguments.seed is None else arguments.seed
        points = None if arguments.keypoints is None else keypoints(evaluator.agent, config.frame_stack)
        console = Console(markup=False, quiet=arguments.json)
        # Films first, because rendering or writing may turn out to be impossible:
        if arguments.video is not None:
            film(evaluator, arguments.video, seed, console)
        if arguments.keypoints is not None:
            film(evaluator, arguments.keypoints, seed, console, points)
        blind = ", then with black images and with those of another episode" if arguments.blindfold else ""
        rounds = 3 if arguments.blindfold else 1
        what = f"evaluating {arguments.episodes} episodes{blind}"
        tell = Counted(functools.partial(console.print, soft_wrap=True), what, rounds * arguments.episodes)
        playing = evaluator.eval_envs, evaluator.policy, arguments.episodes, seed
        result = evaluate(*playing, tell=tell).to_dict()
        if arguments.blindfold:
            result |= evaluate_blindfolded(*playing, tell=tell)
        result |= {"env_steps": saved.step, "seed": seed, "run": str(folder), "model": file.name}
        if saved.score is not None:
            result["chosen_with"] = saved.score
        films = {"video": arguments.video, "keypoints": arguments.keypoints}
        return result | {name: str(path) for name, path in films.items() if path is not None}
    except Exception as error:
        if (failure := evaluator.eval_envs.failure) is None:
            raise
        raise RunFailed(environment_failed(failure, config.env_id, folder) + ".") from error
    finally:
        evaluator.close()


def film(evaluator: Evaluator, path: Path, seed: int, console: Console, overlay: envs.Overlay | None = None) -> None:
    """Film episodes into `path`. Raises UserError if the file cannot be written."""
    config, play = evaluator.config, evaluator.policy.deterministic()
    tell = Counted(console.print, f"filming {FILMED} episodes", FILMED)
    try:
        envs.record(
            config.env_id,
            play,
            path,
            episodes=FILMED,
            seed=seed,
            view=config.view,
            overlay=overlay,
            max_episode_steps=config.max_episode_steps,
            tell=tell,
        )
    except OSError as error:
        if ran_out_of_memory(error):
            raise
        raise UserError(f"{path} cannot be written ({error.strerror or error}): name another file.") from None


def main(arguments: Sequence[str]) -> int:
    def work() -> int:
        check_text(arguments)
        if "--version" in arguments:
            print(name_and_version())
            return 0
        run(tyro.cli(Arguments, args=arguments, prog="eval.py", description=__doc__))
        return 0

    return guarded("eval.py", work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
