"""Every experiment: a preset, the flags that differ from it, and what it shows."""

from __future__ import annotations

import difflib

from experiments.chapter.table import ALIASES, CHAPTER
from experiments.experiment import Experiment
from experiments.eyes import EYES, EYES_ALIASES
from experiments.eyes_pretrained import EYES_PRETRAINED
from experiments.third_parties import THIRD_PARTIES
from training.errors import UserError

EXPERIMENTS: dict[str, Experiment] = {
    "push-state": Experiment(
        "push",
        "--final-episodes 400",
        "Push from state with our recipe: SAC, hindsight, LayerNorm critics, guided exploration.",
    ),
    "push-float32": Experiment(
        "push", "--accelerate off", "The same in plain float32: whether bfloat16 costs any success."
    ),
    "push-reached-goals": Experiment(
        "push",
        "--goal-noise 0 --final-episodes 400",
        "The same where hindsight lends goals only as they were reached: what near misses are worth.",
    ),
    "reach-state": Experiment("reach", "", "Reach, the easiest task, with the same recipe."),
    "reach-auto": Experiment(
        "reach",
        "--alpha auto --eval-every 200",
        "Reach with a learned temperature. It is to reach 100% in 1,000 steps.",
    ),
    "pick-and-place-state": Experiment(
        "pick-and-place", "--final-episodes 400", "The same recipe where the block is to be lifted."
    ),
    "slide-state": Experiment("slide", "", "The same recipe where the goal lies out of the arm's reach."),
    "book-state": Experiment("book-state", "", "Push with the book's own settings."),
    "push-pixels": Experiment(
        "push-pixels",
        "--final-episodes 200",
        "Push from pixels, without the block's position among the inputs (honest observations).",
    ),
    "push-pixels-still": Experiment(
        "push-pixels",
        "--no-goal-motion --final-episodes 200",
        "The same, of the block's position alone: what it is worth to see how far it has moved in a step.",
    ),
    "pick-and-place-pixels": Experiment(
        "pick-and-place-pixels",
        "--final-episodes 200",
        "Lifting the block from pixels, without its position among the inputs (honest observations).",
    ),
    "slide-pixels": Experiment(
        "slide-pixels",
        "--final-episodes 200",
        "Sliding the puck from pixels, without its position among the inputs (honest observations).",
    ),
    "push-blind": Experiment(
        "push",
        "--obs blind",
        "Push from what the chapter's vectors hold, the block's position among them, without the pixels.",
    ),
    "push-honest-blind": Experiment(
        "push", "--obs honest-blind", "Push without pixels and without the block's position: it cannot be learned."
    ),
    "push-pixels-critic": Experiment(
        "push-pixels",
        "--routing critic --goal-loss 0 --goal-input off --no-goal-motion --shift-pad 4 --encoder-learning-rate 2e-4 "
        "--goals-per-image 4 --updates-per-encoding 4 --total-steps 600000 --buffer-size 200000 --replay-on-disk "
        "--eval-every 20000 --save-every 50000",
        "The same without the regression of the block's position: what the critic alone teaches the eyes.",
    ),
    "push-pixels-concat": Experiment(
        "push-pixels",
        "--routing critic --goal-input concat --no-goal-motion --total-steps 48000",
        "The features beside the estimate of the block's position, and the critic's gradient in the encoder too.",
    ),
    "push-pixels-chapter": Experiment(
        "push-pixels-chapter", "", "Push from the chapter's observations, the encoder trained by the critic."
    ),
    "reach-pixels": Experiment("reach-pixels", "", "Reach from pixels and the goal alone."),
    "reach-pixels-critic": Experiment(
        "reach-pixels",
        "--routing critic --goal-loss 0 --goal-input off --no-goal-motion --shift-pad 4 --encoder-learning-rate 2e-4 "
        "--goals-per-image 4 --updates-per-encoding 4",
        "The same without the regression of the gripper's position: what the critic alone teaches the eyes.",
    ),
    "push-no-her": Experiment(
        "push", "--her-strategy none", "Push without hindsight, at the same budget: what hindsight is worth."
    ),
    "push-unguided": Experiment(
        "push",
        "--guided-episodes 0 --total-steps 100000",
        "Push without guided episodes, in a larger budget: what it takes when nothing is written down.",
    ),
    # Broken on purpose, for `experiments.diagnose` to be tried on: one setting far off in each.
    "broken-temperature": Experiment("push", "--alpha 1", "Push with fifty times the temperature: entropy is all."),
    "broken-rate": Experiment("push", "--learning-rate 0.03", "Push with thirty times the learning rate."),
    "broken-discount": Experiment("push", "--gamma 0.5", "Push with a discount that sees two steps ahead."),
    "broken-target": Experiment("push", "--tau 0.0001", "Push with a target network that hardly moves."),
    # The first thing one tries: the distance as reward, without need of hindsight. All else stays as in push, but the
    # temperature: 0.02 is tuned for rewards of -1 a step, and would weigh as much as the last 5 cm of the distance. So
    # it is scaled as the reward is, by the 5 cm that count as success.
    "push-dense": Experiment(
        "push",
        "--env-id FetchPushDense-v4 --her-strategy none --alpha 0.001",
        "Dense reward without hindsight, at the same budget: what the distance to the goal alone teaches.",
    ),
    # Episodes of 300 steps, and a walk round the wall of about 100: 0.95^100 would leave 0.6% of a reward of 1.
    "pointmaze": Experiment(
        "push",
        "--env-id PointMaze_UMaze-v3 --gamma 0.98 --total-steps 60000",
        "A goal environment that is no Fetch task and whose rewards are 0 and 1, by its id. It is to reach 90%.",
    ),
    "reach-dense": Experiment(
        "reach", "--env-id FetchReachDense-v4", "Hindsight with a dense reward. It is to reach 95%."
    ),
    "hand-reach": Experiment(
        "push",
        "--env-id HandReach-v3 --total-steps 20000",
        "A hand with 20 actions and a goal of 15 numbers: that it runs, in a budget too short to learn it.",
    ),
    **THIRD_PARTIES,
    **{
        f"push-n-step-{steps}": Experiment(
            "push",
            f"--n-step {steps} --final-episodes 400",
            f"Push from state, {steps} step{'s' * (steps > 1)} before it bootstraps.",
        )
        for steps in (1, 2, 3, 5)
    },
    **EYES_PRETRAINED,
    **CHAPTER,
    **EYES,
}


def canonical(name: str) -> str:
    """Name of an experiment's results; some experiments have an alias."""
    return (ALIASES | EYES_ALIASES).get(name, name)


def named(name: str) -> Experiment:
    """Experiment of that name. Raises UserError, with the nearest name, if there is none."""
    name = canonical(name)
    if name not in EXPERIMENTS:
        close = difflib.get_close_matches(name, [*EXPERIMENTS, *ALIASES, *EYES_ALIASES], n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UserError(f"there is no experiment {name}: {hint}They are {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
