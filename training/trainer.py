"""A run's parts, built from its configuration and saved and restored as one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import gymnasium as gym
import numpy as np
import torch

import envs
from agent import saving
from envs import GoalVectorEnv
from goals import GoalSpace
from replay import Ring, RingSpec
from replay.hindsight import Imagined
from replay.ring import UNSEEN
from training import replay_file
from training.config.flags import Config
from training.config.memory import observation_bytes, place_replay
from training.config.pretrained import embedding_size
from training.errors import UserError
from training.evaluator import Evaluator, make_vec
from training.gpu_updates import fastest
from training.latent import pretrain
from training.learner import Learner
from training.ranks import ALONE, Ranks, Statistics
from training.rollout.collector import Collector
from training.rollout.exploration import Explorer
from training.seeds import independent_seeds
from training.updates import Updates


class Trainer:
    """All that a run learns with: an evaluator, which has the agent; replay, collector and learner.

    Args:
        config: the run's.
        ranks: processes that learn as one.
        goal_space: None for the configuration's.

    Attributes:
        tell: is given a sentence before slow work.
    """

    tell: Callable[[str], object] = staticmethod(str)

    def __init__(self, config: Config, ranks: Ranks = ALONE, goal_space: GoalSpace | None = None) -> None:
        self.evaluator = evaluator = Evaluator(config, ranks=ranks, goal_space=goal_space)
        self.config, self.ranks, self.device, self.seeds = evaluator.config, ranks, evaluator.device, evaluator.seeds
        self.latent = evaluator.latent
        self.agent, self.policy, self.eval_envs = evaluator.agent, evaluator.policy, evaluator.eval_envs
        self.local_config = config = ranks.local_config(self.config)  # this rank's
        self.learner = Learner(self.config, self.agent, self.seeds["shift"])
        self.replay_device, self.memory_report = self._place_replay()
        ranks.barrier()  # all have counted free memory before any rank takes some
        self.train_envs = self.eval_envs
        if not evaluator.evaluates_in_training_envs:
            self.train_envs = make_vec(config, config.num_envs, config.workers, self.seeds["envs"])
        if self.learner.leaves_a_core:
            self.train_envs.lower_priority()
        self.gl_renderer = self.train_envs.gl_renderer()  # what renders the images; None where there are none
        try:
            self.ring = self._make_ring()
        except ValueError as error:  # of images on disk
            self.close()
            raise UserError(f"{error}: --resume-without-replay goes on without them, once they are removed.") from None
        self.statistics = Statistics(self.agent, ranks)
        self.collector = Collector(
            self.train_envs,
            self.policy,
            self.ring.storage,
            Explorer(
                num_envs=config.num_envs,
                action_size=evaluator.action_size,
                random_actions=config.random_actions,
                guided_episodes=config.guided_episodes,
                grasps=self._grasps(),
                device=self.device,
                seed=self.seeds["exploration"],
            ),
            self.statistics.update_normalizers,
        )
        # Values that "auto" was resolved to are part of what the run is.
        self.config = replace(
            self.config,
            workers=self.train_envs.workers,
            device=str(self.device) if ranks.count == 1 else self.device.type,  # each rank has one of its own
            accelerate="off" if config.accelerate == "auto" and not self.learner.accelerated else config.accelerate,
        )
        self.eager_updates = Updates(config, self.learner, self.ring)
        self.updates, self.why_no_cuda_graph = fastest(
            self.eager_updates,
            # A CUDA graph reads fixed places in memory; imagined goals come from a pool that is replaced.
            rewards_on_device=self.train_envs.restorable and self.ring.imagined is None,
            alone=ranks.count == 1,
        )

    def _make_ring(self) -> Ring:
        config, networks = self.local_config, self.agent.config
        observations = cast(gym.spaces.Dict, self.train_envs.single_observation_space)
        stored: dict[str, tuple[tuple[int, ...], torch.dtype]] = {"vector": ((networks.vector_size,), torch.float32)}
        if self.agent.privileged is not None:
            stored["state"] = (networks.state_size,), torch.float32
        if config.freeze:
            stored["embedding"] = (embedding_size(config),), torch.float16
        elif config.view is not None and config.stores_images:
            stored["pixels"] = config.view.shape, torch.uint8
        if config.keeps_estimates:
            stored["estimate"] = (networks.goal_size,), torch.float32
        imagined = None
        if self.latent is not None:
            stored[UNSEEN], imagined = ((3,), torch.float64), Imagined(config.prior_ratio, self.latent.imagine)
        goals_are_real = np.issubdtype(observations["desired_goal"].dtype, np.floating)
        return Ring(
            RingSpec(
                config.buffer_size,
                config.num_envs,
                stored,
                networks.goal_size,
                networks.action_size,
                device=self.replay_device,
                file=replay_file.opened(self.config, self.ranks.rank),
            ),
            goal_space=self.evaluator.goal_space,
            strategy=config.her_strategy,
            her_ratio=config.her_ratio,
            goal_tries=config.goal_tries,
            goal_noise=config.goal_noise if goals_are_real else 0.0,  # between whole numbers there is no goal
            gamma=config.gamma,
            n_step=config.n_step,
            imagined=imagined,
            subtract_achieved=config.goals_from_achieved,
            frame_stack=config.frame_stack,
            seed=self.seeds["replay"],
        )

    def _place_replay(self) -> tuple[torch.device, str]:
        """Device of the replay, and a sentence on its size. Raises UserError if the replay fits nowhere."""
        networks = self.agent.config
        vector_size = networks.vector_size + networks.state_size
        one = observation_bytes(self.local_config, vector_size, networks.goal_size, networks.action_size)
        try:
            images = replay_file.disk_needed(self.config, self.ranks.rank)
            return place_replay(self.config, self.local_config, self.ranks, self.device, one, images)
        except UserError:
            self.close()
            raise

    def _grasps(self) -> bool:
        """Whether this is a Fetch task whose fingers move."""
        return self.train_envs.restorable and not self.train_envs.get_attr("block_gripper")[0]

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[GoalVectorEnv]:
        """Yield environments for an evaluation; training goes on afterwards as if nothing had happened."""
        if self.eval_envs is not self.train_envs:
            yield self.eval_envs
            return
        states = self.train_envs.get_states()
        self.collector.keep_images()
        yield self.eval_envs
        self.train_envs.set_states(states)

    def set_progress(self, step: int) -> None:
        """Set learning rates, exploration and learned goals to what they are at `step` of the run."""
        self.learner.set_progress(step)
        every, before = self.config.latent_every, max(0, step - self.config.num_envs)
        due = self.latent is not None and self.latent.skewed and step // every > before // every
        # On next to no images, as after a resume with an empty replay, a VAE would learn to forget.
        if self.latent is not None and due and len(self.ring) >= self.config.learning_starts:
            self.tell("training the VAE on stored images ...")
            self.latent.learn_again(self.ring, self.config.latent_updates_again)
            self.collector.refresh_goals()
            if not isinstance(self.updates, Updates) and self.updates.prefetcher is not None:
                self.updates.prefetcher.forget()
        if (schedule := self.config.noise_schedule) is not None:
            self.collector.explorer.noise = schedule.at(step)

    def start(self, tell: Callable[[str], object] = str) -> None:
        """Open the first episodes, with rank 0's weights on all ranks. The autoencoder of latent goals is
        trained before; `tell` reports on it."""
        if self.latent is not None:
            pretrain(self.latent, self.config, self.seeds["goals"], tell)
        self.ranks.sync_parameters(self.learner.sac)
        if not self.train_envs.restorable:  # Fetch tasks never end before their limit
            try:
                steps = envs.played_steps(self.config.env_id, self.config.max_episode_steps)
            except ValueError as error:  # that it did not raise when it was checked
                raise UserError(str(error)) from None
            self.collector.observe_ending(
                np.array([step.reward for step in steps], np.float32),
                np.array([step.terminated for step in steps]),
                np.array([step.success for step in steps]),
            )
        self.collector.reset(merge=self.statistics.merge)

    def state_dict(self) -> dict[str, Any]:
        return {
            "learner": saving.state_dict(self.learner.sac),
            "ring": self.ring.state_dict(),
            "shift": self.learner.shift.state_dict(),
            "collector": self.collector.state_dict(),
        } | ({} if self.latent is None else {"goals": self.latent.state_dict()})

    def load_state_dict(self, state: dict[str, Any], step: int) -> bool:
        """Continue from `state_dict()` at `step`. Returns False if open episodes had to be dropped."""
        self._fit_generators(state, step)
        saving.load_state_dict(self.learner.sac, state["learner"])
        self.learner.shift.load_state_dict(state["shift"])
        self.ranks.sync_parameters(self.learner.sac)
        if self.latent is not None:
            self.latent.load_state_dict(state["goals"])
        if self.config.resume_without_replay:
            self.ring.storage.number_beyond(state["ring"])
            state["collector"]["envs"] = None  # the beginnings of its episodes are lost
        else:
            self.ring.load_state_dict(state["ring"])
        # A fresh stream: episodes already played are not played again.
        reset_seed = independent_seeds([self.seeds["resume"], step], 1)[0]
        return self.collector.load_state_dict(state["collector"], reset_seed)

    def _fit_generators(self, state: dict[str, Any], step: int) -> None:
        """Seed generators anew whose states do not fit: from another kind of device, or another number of ranks."""
        parts = (state["learner"], state["ring"], state["shift"], state["collector"]["explorer"])
        devices = (self.device, self.replay_device, self.device, self.device)
        fresh = independent_seeds([self.seeds["resume"], step, 1], len(parts))
        for part, device, seed in zip(parts, devices, fresh, strict=True):
            generator = torch.Generator(device).manual_seed(seed)
            if part["generator"] is None or part["generator"].shape != generator.get_state().shape:
                part["generator"] = generator.get_state()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.evaluator.close()
        if hasattr(self, "train_envs"):
            self.train_envs.close()
