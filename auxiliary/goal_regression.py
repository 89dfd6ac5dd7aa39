"""Regression of the achieved goal (in Push, the block's position) from the encoder's features.

The targets are the achieved goals that hindsight stores anyway; the networks never read them. Actor and critic may read
the estimate beside the features, or instead of the image features (`agent.Agent.with_estimate`).
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from auxiliary.base import Auxiliary
from encoders.normalizer import Normalizer
from replay.batch import Batch

WIDTH = 128  # hidden units
HUBER = 0.1  # standard deviations of the achieved goal: one or two centimetres in Push

GoalInput = Literal["off", "concat", "replace"]


class GoalRegression(Auxiliary):
    """MLP from features (P, F) to the achieved goal (P, G), normalised by `normalizer`.

    Args:
        feature_size: F.
        goal_size: G.
        weight: factor of the loss.

    Attributes:
        normalizer: normaliser of achieved goals. Through it, an agent that sees no achieved goal knows their mean and
            standard deviation, but not the object's position in a scene.
    """

    def __init__(self, feature_size: int, goal_size: int, weight: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(feature_size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, goal_size))
        self.normalizer, self.weight = Normalizer(goal_size), weight

    def forward(self, features: Tensor) -> Tensor:
        return self.mlp(features)

    def denormalize(self, estimate: Tensor) -> Tensor:
        """Convert a normalised estimate (P, G) to the goal's own units."""
        return estimate / self.normalizer.scale + self.normalizer.shift

    def normalize(self, estimate: Tensor) -> Tensor:
        """Undo `denormalize`. Unlike the normaliser, this does not clip: estimates are never clipped."""
        return (estimate - self.normalizer.shift) * self.normalizer.scale

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Huber loss of the estimate, for encoder and regression; also reports the mean error in centimetres.

        A block that fell off the table is outside the images and has by far the largest error. To keep it from
        dominating, the normaliser clips its position, and the loss is quadratic only up to HUBER, then linear.
        """
        estimate, achieved = self(features), self.normalizer(batch.achieved_goal)
        loss = F.smooth_l1_loss(estimate, achieved, beta=HUBER)
        distance = ((estimate.detach() - achieved) / self.normalizer.scale).norm(dim=1)
        return self.weight * loss, {"goal_loss": loss.detach(), "replay_error_cm": 100 * distance.mean()}
