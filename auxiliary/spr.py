"""Prediction of future features from the actions taken (SPR, Schwarzer et al. 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxiliary.base import Auxiliary, Sizes
from encoders.base import Encoder
from replay.batch import Batch

HORIZON = 3  # steps, K; the paper's 5 would encode 5 more images per transition
WIDTH = 256  # hidden units of the transition model
PROJECTION = 128  # width of the projections that are compared


class SPR(Auxiliary):
    """Predict the features of the next K observations from an observation's features and the next K actions.

    Prediction and target are compared by their cosine after a projection. Targets come from the online encoder, without
    gradient, as in the paper with augmentation (`--shift-pad`): each future image is shifted by its own offset. Only
    image features are predicted: proprioception would be the easier part. Unlike in the paper, features are not
    rescaled to [0, 1], which divides by zero where all features are equal.

    Args:
        encoder: image encoder.
        sizes: F is the number of image features.
        weight: factor of the loss.
    """

    horizon = HORIZON

    def __init__(self, encoder: Encoder, sizes: Sizes, weight: float) -> None:
        super().__init__()
        self.online = [encoder]  # in a list, because its parameters are not this loss's own
        self.size = sizes.features
        self.transition = nn.Sequential(
            nn.Linear(self.size + sizes.action, WIDTH), nn.ReLU(), nn.Linear(WIDTH, self.size)
        )
        self.projection: nn.Module = nn.Linear(self.size, PROJECTION)
        self.predictor: nn.Module = nn.Linear(PROJECTION, PROJECTION)
        self.weight = weight

    def loss(self, features: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """2 - 2 cos, averaged over the steps within the episode; also reports the standard deviation of the target
        features over the minibatch, which falls to 0 if the features collapse."""
        future = batch.future
        assert future is not None
        with torch.no_grad():
            flat = {name: part.flatten(0, 1) for name, part in future.obs.items()}  # (P K, ...)
            coming = self.online[0](flat)[:, : self.size]  # (P K, F)
            target = self.projection(coming).unflatten(0, future.mask.shape)  # (P, K, PROJECTION)
        predicted = self.predictor(self.projection(self.rollout(features[:, : self.size], future.action)))
        errors = 2 - 2 * F.cosine_similarity(predicted, target, dim=-1)  # (P, K)
        loss = (errors * future.mask).sum() / future.mask.sum()  # the first step always belongs to the episode
        return self.weight * loss, {"spr_loss": loss.detach(), "spr_std": coming.std(0).mean()}

    def rollout(self, features: Tensor, actions: Tensor) -> Tensor:
        """Features (P, F) and actions (P, K, A) -> predicted features after each action (P, K, F)."""
        steps = []
        for action in actions.unbind(1):
            features = self.transition(torch.cat([features, action], dim=-1))
            steps.append(features)
        return torch.stack(steps, dim=1)
