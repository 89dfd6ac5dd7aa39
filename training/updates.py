"""Sampling an update's minibatches from the replay, and updating on them."""

from __future__ import annotations

from torch import Tensor

from agent.features import Features
from agent.sac import Metrics
from replay import Batch, Ring
from training.config.flags import Config
from training.learner import Learner


class Updates:
    """Sampling and updating: `batches(n)` returns the input of n calls of `update`. `gpu_updates.py` wraps both.

    Args:
        config: this rank's.
        learner: updates.
        ring: is sampled.
    """

    def __init__(self, config: Config, learner: Learner, ring: Ring) -> None:
        self.config, self.learner, self.ring, self.device = config, learner, ring, learner.agent.device

    def batches(self, updates: int) -> list[list[Batch]]:
        """Minibatches of each update: one per update of actor and critics on the same encoder pass."""
        size = self.config.batch_size
        if not self.config.sees_images:  # sampled in one call
            names = ("vector",) if self.config.layout.pixels else None  # images are kept for the VAE alone
            together = self.ring.sample(updates * size, horizon=self.learner.horizon, names=names).to(self.device)
            return [[batch] for batch in together.split(size)]
        return [self.split([part.to(self.device) for part in self.sample()]) for _ in range(updates)]

    def sample(self) -> list[Batch]:
        """Sample the data of one update, for `split`. Without stored estimates: transitions with goals for all steps of
        the update. With them: transitions with images for the first step, and others without images for the rest."""
        config, goals = self.config, self.config.goals_per_image
        size, further, horizon = config.batch_size, config.updates_per_encoding - 1, self.learner.horizon
        if not config.keeps_estimates:
            return [self.ring.sample(size, goals * (1 + further), horizon)]
        motion = ("estimate_before",) if config.goal_motion else ()
        seen = self.ring.sample(size, goals, horizon, names=("vector", config.image_name, "index", *motion))
        if not further:
            return [seen]
        return [seen, self.ring.sample(size * goals * further, names=("vector", "estimate", *motion))]

    def split(self, parts: list[Batch]) -> list[Batch]:
        """A batch for each step of an update."""
        size = self.config.goals_per_image * self.config.batch_size
        return [batch for part in parts for batch in part.split(size)]

    def update(self, batches: list[Batch]) -> Metrics:
        """Update the agent. Where the replay keeps estimates, those of the encoded observations are overwritten."""
        metrics, features = self.learner.update(batches)
        if self.config.keeps_estimates:
            self.overwrite(self.new_estimates(batches[0], features))
        return metrics

    def new_estimates(self, encoded: Batch, features: Features) -> list[tuple[Tensor, Tensor]]:
        """Index (P,) and estimated achieved goal (P, G) of a batch's observations, and of the next ones, as computed
        before this update changed the encoder."""
        denormalized_estimate = self.learner.agent.denormalized_estimate
        return [
            (encoded.obs["index"], denormalized_estimate(features.critic)),
            (encoded.next_obs["index"], denormalized_estimate(features.next_critic)),
        ]

    def overwrite(self, estimates: list[tuple[Tensor, Tensor]]) -> None:
        """Put new estimates into the replay."""
        for index, estimate in estimates:
            self.ring.storage.rewrite("estimate", index, estimate)
