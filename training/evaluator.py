"""An agent in the environments of a configuration: enough to evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import envs
from agent import accelerate
from envs import GoalVectorEnv
from goals import GoalSpace, LatentGoals
from training.config import resources
from training.config.flags import Config
from training.errors import UserError, ran_out_of_memory
from training.model import (
    Saved,
    accelerate_networks,
    load_policy,
    make_agent,
    make_frozen,
    make_goal_space,
    network_config,
)
from training.ranks import ALONE, Ranks
from training.rollout.evaluate import EVAL_ENVS
from training.rollout.policy import Policy
from training.seeds import seeds


def make_vec(config: Config, num_envs: int, workers: int | None, seed: int | None = None) -> GoalVectorEnv:
    """Make a vector of the configuration's environments. Raises UserError if they cannot be built."""
    try:
        return envs.make_vec(
            config.env_id,
            num_envs,
            view=config.view,
            workers=workers,
            seed=seed,
            max_episode_steps=config.max_episode_steps,
        )
    except ValueError as error:
        if ran_out_of_memory(error):
            raise
        raise UserError(str(error)) from None


class Evaluator:
    """An agent that acts in the environments of a configuration: enough to evaluate.

    Args:
        config: the run's.
        workers: processes of the environments; None for the configuration's number.
        ranks: processes that learn as one.
        goal_space: None for the configuration's.
    """

    def __init__(
        self,
        config: Config,
        workers: int | None = None,
        ranks: Ranks = ALONE,
        goal_space: GoalSpace | None = None,
    ) -> None:
        self.device, self.ranks = ranks.device(resources.torch_device(config.device)), ranks
        self.config = config = resources.resolved(config, self.device, envs.cores() // ranks.local_count)
        assert config.threads is not None
        accelerate.set_up(config.threads)
        self.seeds = seeds(config.seed, ranks.rank)
        part = ranks.local_config(config).num_envs
        # Rendering processes are expensive, and on some GPUs hang beside one another: from pixels, the training
        # environments play the evaluations too. Two at least, for a blindfolded agent is shown another one's images.
        self.evaluates_in_training_envs = config.view is not None and part > 1 and envs.is_restorable(config.env_id)
        self.eval_envs = self._make_eval_envs(part, config.workers if workers is None else workers)
        actions: Any = self.eval_envs.single_action_space
        observations = self.eval_envs.single_observation_space
        if goal_space is None:
            goal_space = make_goal_space(config, observations, self.device, self.seeds["goals"])
        self.goal_space = goal_space
        self.latent = goal_space if isinstance(goal_space, LatentGoals) else None
        networks = network_config(config, observations, actions, self.goal_space.size)
        self.vector_size, self.goal_size = networks.vector_size, networks.goal_size
        self.action_size = networks.action_size
        self.agent = make_agent(config, networks, self.device, self.seeds["encoder"], self.seeds["agent"])
        accelerate_networks(self.agent, config)
        self.policy = Policy(
            self.agent,
            config.layout,
            self.goal_space,
            config.goals_from_achieved,
            config.frame_stack,
            actions,
            config.keeps_estimates,
            config.goal_motion,
            make_frozen(config, self.device),
            config.latent_input != "off",
        )

    def _make_eval_envs(self, part: int, workers: int | None) -> GoalVectorEnv:
        """Make the environments of evaluations; `part` is the number of this rank's training environments."""
        # Two at least, for a blindfolded agent is shown another environment's images; no more than there are episodes.
        side_by_side = max(2, min(EVAL_ENVS, max(self.config.eval_episodes, self.config.final_episodes)))
        if self.evaluates_in_training_envs:
            side_by_side = part
        elif self.ranks.rank:  # which evaluates nothing
            side_by_side, workers = 1, 0
        return make_vec(self.config, side_by_side, workers, self.seeds["envs"])

    def load(self, file: Path) -> Saved:
        """Load a saved model. Raises UserError if the file is no model, or one of other networks."""
        return load_policy(self.agent, self.goal_space, file)

    def close(self) -> None:
        self.eval_envs.close()
        if self.latent is not None:
            self.latent.close()
