"""The learner of a configuration: SAC, random shifts, and accelerations for its device."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import cast

import torch

from agent import SAC, Agent, accelerate
from agent.features import Features
from agent.routing import encoder_parameters, gradient_norm, scale_learning_rates
from agent.sac import Metrics
from auxiliary import Auxiliary
from replay import Batch, RandomShift
from training.config import resources
from training.config.flags import Config
from training.model import in_bfloat16


class Learner:
    """Updates an agent as its configuration says.

    Args:
        config: with `threads` filled in.
        agent: is updated.
        shift_seed: of the random shifts.

    Attributes:
        leaves_a_core: whether updates without the encoder leave a core to the environments.
    """

    def __init__(self, config: Config, agent: Agent, shift_seed: int) -> None:
        self.config, self.agent, device = config, agent, agent.device
        self.accelerated = in_bfloat16(config, device)
        self.leaves_a_core = self.accelerated and resources.leaves_a_core(config, device)
        self.shift = RandomShift(config.shift_pad, config.shared_shift, device, shift_seed)
        self.sac = SAC(
            agent,
            routing=config.gradients,
            learning_rate=config.learning_rate,
            encoder_learning_rate=config.encoder_learning_rate,
            gamma=config.gamma,
            tau=config.tau,
            alpha=config.alpha,
            reward_range=config.reward_range if config.clip_targets else (-math.inf, math.inf),
            adam=accelerate.BareAdam if self.accelerated and device.type == "cpu" else torch.optim.Adam,
        )
        self.encoder_parameters = encoder_parameters(agent)

    def update(self, batches: Sequence[Batch]) -> tuple[Metrics, Features]:
        """Update everything on the first batch, and all but the encoder on each further batch.

        A further batch has new goals for the first batch's observations, whose features are reused; or other
        observations, with stored estimates instead of images. Returns the first update's metrics and features.
        """
        first, *more = batches
        metrics, features = self.sac.update(self.shift(first))
        if (norm := gradient_norm(self.encoder_parameters)) is not None:  # of the latest loss that reached the encoder
            metrics["encoder_grad_norm"] = norm
        with self._fewer_threads():
            for batch in more:
                if "estimate" in batch.obs:
                    self.sac.update(batch)
                else:
                    self.sac.update_from(features, batch)
        return metrics, features

    @property
    def horizon(self) -> int:
        """Number of future observations that the auxiliary losses need."""
        return max((cast(Auxiliary, one).horizon for one in self.agent.auxiliaries.values()), default=0)

    def set_progress(self, step: int) -> None:
        """Set the learning rates to what they are at `step` of the run."""
        scale_learning_rates(self.sac.optimizers, self.config.learning_rate_factor(step))

    def _fewer_threads(self) -> contextlib.AbstractContextManager[None]:
        """Compute with one thread less inside the context if `leaves_a_core`: the environments get that core."""
        assert self.config.threads is not None
        return accelerate.threads(self.config.threads - 1) if self.leaves_a_core else contextlib.nullcontext()
