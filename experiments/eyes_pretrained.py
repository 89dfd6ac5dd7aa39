"""Experiments on what trains the encoder, continued: pretrained networks, and a critic that reads the state.

All else is as in `eyes-critic`, where the critic's loss trains an encoder for both actor and critic.
"""

from __future__ import annotations

from experiments.experiment import Experiment
from experiments.eyes import FROZEN, WEIGHTS

_MATCHED = "--goal-loss 0 --goal-input off --no-goal-motion --encoder-learning-rate 2e-4 --final-episodes 200"
# Images as they are: resized to 112, features would cost twice as much and say little more (docs/eyes.md).
_FROZEN = f"--routing critic {_MATCHED} {FROZEN} --weights-side 84"

EYES_PRETRAINED: dict[str, Experiment] = {
    "eyes-asymmetric": Experiment(
        "push-pixels",
        f"--critic-obs state --routing actor {_MATCHED}",
        "The actor's loss alone, by a critic that reads the whole state.",
    ),
    "eyes-asymmetric-goal": Experiment(
        "push-pixels",
        f"--critic-obs state --routing actor {_MATCHED} --goal-loss 1 --goal-input concat",
        "The same, and the regression of the block's position, whose estimate the actor reads.",
    ),
    "eyes-frozen-random": Experiment(
        "push-pixels",
        f"{_FROZEN} --weights random",
        "Nothing: MobileNetV2 as it is before any training, frozen, with a Linear behind it that the critic trains.",
    ),
    "eyes-frozen-mobilenet": Experiment(
        "push-pixels",
        f"{_FROZEN} --weights {WEIGHTS}",
        "ImageNet: MobileNetV2, frozen, with a Linear behind it that the critic trains.",
    ),
}
