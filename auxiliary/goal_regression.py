"""Regress the achieved goal, in Push the block's position, from the encoder's features.

Hindsight has the achieved goals anyway; the networks never see them. Its estimate may stand beside the features that
actor and critic read, or instead of those that the images gave (`agent.Agent.inputs`).
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from auxiliary.base import Auxiliary
from encoders.normalizer import Normalizer
from replay.batch import Batch

WIDTH = 128  # hidden units
HUBER = 0.1  # standard deviations of the achieved goal: from Push, one or two centimetres

GoalInput = Literal["off", "concat", "replace"]


class GoalRegression(Auxiliary):
    """features (P, F) -> achieved goal (P, G), in units of its own normaliser.

    Args:
        feature_size: F.
        goal_size: G.
        weight: of the loss.

    Attributes:
        normalizer: of achieved goals. An agent that sees no achieved goal knows their mean and deviation, and not where
            the object is in a scene.
    """

    def __init__(self, feature_size: int, goal_size: int, weight: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(feature_size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, goal_size))
        self.normalizer, self.weight = Normalizer(goal_size), weight

    def forward(self, features: Tensor) -> Tensor:
        return self.mlp(features)

    def denormalize(self, estimate: Tensor) -> Tensor:
        """An estimate (P, G) in the achieved goal's own units."""
        return estimate / self.normalizer.scale + self.normalizer.shift

    def normalize(self, estimate: Tensor) -> Tensor:
        """Undo `denormalize`. Unlike the normaliser this does not clip: no estimate is clipped."""
        return (estimate - self.normalizer.shift) * self.normalizer.scale

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Huber loss of the estimate, into encoder and regression; also reports the mean error in centimetres.

        A block that fell off the table is out of the images, and by far the largest error. So that it does not swamp
        the rest, normalising clips its position, and the loss grows as the square up to HUBER only, then linearly.
        """
        estimate, achieved = self(features), self.normalizer(batch.achieved_goal)
        loss = F.smooth_l1_loss(estimate, achieved, beta=HUBER)
        distance = ((estimate.detach() - achieved) / self.normalizer.scale).norm(dim=1)
        return self.weight * loss, {"goal_loss": loss.detach(), "replay_error_cm": 100 * distance.mean()}
