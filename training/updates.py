"""The minibatches of an update, out of the replay, and the update on them."""

from __future__ import annotations

from torch import Tensor

from agent.sac import Metrics
from replay import Batch, Ring
from training.config.flags import Config
from training.learner import Learner


class Updates:
    """`batches(n)` returns what n calls of `update` take. `training/gpu_updates.py` wraps both for a GPU.

    Args:
        config: this rank's.
        learner: updates.
        ring: is sampled.
    """

    def __init__(self, config: Config, learner: Learner, ring: Ring) -> None:
        self.config, self.learner, self.ring, self.device = config, learner, ring, learner.agent.device

    def batches(self, updates: int) -> list[list[Batch]]:
        """Minibatches of each update: one, or one for each update of actor and critics on the same encoder pass."""
        size = self.config.batch_size
        if not self.config.layout.pixels:  # sampled in one call
            together = self.ring.sample(updates * size, horizon=self.learner.horizon).to(self.device)
            return [[batch] for batch in together.split(size)]
        return [self.split([part.to(self.device) for part in self.sample()]) for _ in range(updates)]

    def sample(self) -> list[Batch]:
        """Sample the data of one update, to be split. Without kept estimates: transitions with goals for all of its
        steps. With them: transitions with images for the first step, and others without images for the rest."""
        config, goals = self.config, self.config.goals_per_image
        size, further, horizon = config.batch_size, config.updates_per_encoding - 1, self.learner.horizon
        if not config.keeps_estimates:
            return [self.ring.sample(size, goals * (1 + further), horizon)]
        seen = self.ring.sample(size, goals, horizon, names=("vector", "pixels", "index"))
        return [seen, self.ring.sample(size * goals * further, names=("vector", "estimate"))] if further else [seen]

    def split(self, parts: list[Batch]) -> list[Batch]:
        """A batch for each step of an update."""
        size = self.config.goals_per_image * self.config.batch_size
        return [batch for part in parts for batch in part.split(size)]

    def update(self, batches: list[Batch]) -> Metrics:
        """One update of the agent and, where the replay keeps estimates, of those that the encoder has made anew."""
        metrics, estimates = self.learn(batches)
        self.keep(estimates)
        return metrics

    def learn(self, batches: list[Batch]) -> tuple[Metrics, list[tuple[Tensor, Tensor]]]:
        """Update the agent. Returns metrics and, where the replay keeps estimates, the new ones: index (P,) and
        estimate (P, G) of the encoded observations and of the next ones."""
        metrics, features = self.learner.update(batches)
        if not self.config.keeps_estimates:
            return metrics, []
        first, denormalized_estimate = batches[0], self.learner.agent.denormalized_estimate
        return metrics, [
            (first.obs["index"], denormalized_estimate(features.critic)),
            (first.next_obs["index"], denormalized_estimate(features.next_critic)),
        ]

    def keep(self, estimates: list[tuple[Tensor, Tensor]]) -> None:
        """Put new estimates, of `learn`, into the replay."""
        for index, estimate in estimates:
            self.ring.storage.rewrite("estimate", index, estimate)
