"""The configuration: one flat dataclass, assembled from the groups of flags in `--help`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gymnasium as gym

import envs
from auxiliary import weights
from replay.hindsight import Strategy
from training.config.latent import Latent
from training.config.pixels import Pixels
from training.config.running import Compute, Run
from training.rollout.exploration import NoiseSchedule


@dataclass(frozen=True)
class Task:
    env_id: str = "FetchPush-v4"
    """Id of a registered Gymnasium goal environment; its episodes may end on success."""
    obs: Literal[
        "state", "chapter", "honest", "pixels-only", "blind", "honest-blind", "pixels+goal", "pixels+vector+goal"
    ] = "state"
    """Network inputs beside the desired goal: state = all numbers; chapter = pixels, proprioception and achieved goal;
    honest = pixels and proprioception; pixels-only; blind, honest-blind = chapter, honest without pixels. Outside
    Fetch: state, pixels+goal, pixels+vector+goal."""
    critic_obs: Literal["same", "state"] = "same"
    """Input of the critic: the same as the actor's, or state, all numbers, in training only (asymmetric actor-critic).
    With state the actor's loss trains the encoder, so with images the routing has to be actor."""
    seed: int = 0
    """Seed of everything random: environments, weights, exploration, sampling."""
    total_steps: int = 42_000
    """Environment steps to train for, all environments together."""
    max_episode_steps: int | None = None
    """Steps after which an episode is truncated; None for the environment's own limit."""
    num_envs: int = 8
    """Number of environments that step together."""
    workers: int | None = None
    """Worker processes that step the environments, per rank; 0: the main process; None: by number of cores."""


@dataclass(frozen=True)
class Learning:
    learning_starts: int = 1_000
    """Environment steps of exploration alone before the first update."""
    updates_per_step: float = 0.5
    """Gradient updates per environment step; 0.125 is one update per step of 8 environments. From pixels, an update is
    one pass of the encoder and one or more updates of actor and critic (--updates-per-encoding)."""
    batch_size: int = 256
    """Transitions in a minibatch."""
    learning_rate: float = 1e-3
    """Learning rate of actor, critic and temperature (Adam)."""
    learning_rate_decay: float = 0.5
    """Last fraction of the steps over which all learning rates fall linearly to 0. A resume with more steps raises them
    again, to their values at that step of the longer run."""
    gamma: float = 0.95
    """Discount."""
    tau: float = 0.01
    """Polyak step of the target critic per update."""
    alpha: float | Literal["auto"] = 0.02
    """Entropy temperature; auto learns it, starting at 0.1."""
    clip_targets: bool = True
    """Clip the Q values in the critic's targets to the range allowed by rewards and entropy, if the environment's
    reward range is known."""
    layer_norm: bool = True
    """LayerNorm after each hidden layer of the critics."""
    normalize: bool = True
    """Normalise the inputs by their running mean and standard deviation."""
    hidden_width: int = 256
    """Units in a hidden layer of actor and critics."""
    hidden_depth: int = 2
    """Hidden layers of actor and critics."""
    relative_goals: bool = True
    """Give the networks desired - achieved goal in place of the desired goal."""
    random_actions: float = 0.3
    """Probability that an environment takes a uniformly random action instead of the policy's."""
    exploration_noise: str | None = None
    """Act by the policy's mean action plus scheduled Gaussian noise (DrQ-v2) instead of by samples of the policy:
    linear(FIRST,LAST,STEPS), standard deviations and environment steps, as in 'linear(1.0,0.1,100000)'."""
    guided_episodes: float = 1.0
    """Fraction of episodes that begin with a scripted push or grasp while all fail; it falls as success rises."""


@dataclass(frozen=True)
class Replay:
    buffer_size: int = 1_000_000
    """Observations kept, all environments together."""
    her_ratio: float = 0.8
    """Fraction of a minibatch whose goal is relabelled; 0.8 is k = 4 relabelled for each original."""
    goal_tries: int = 8
    """Candidates (transition and goal) per relabelled row of a minibatch. The first whose goal was not yet reached when
    its episode began is taken, so that something was moved."""
    goal_noise: float = 1.0
    """Move each relabelled goal by the difference of two desired goals times a random fraction, at most this, to learn
    from near misses too. 0 moves none; goals of whole numbers are never moved."""
    n_step: int = 1
    """Rewards, all for the same goal, that a transition sums before it bootstraps (n-step return); fewer at an
    episode's end. More than one carries rewards back faster, but exploration after the first step biases the sum."""
    her_strategy: Strategy = "future"
    """Source of relabelled goals: future, later in the episode; final, its end; episode, anywhere in it; or none."""
    replay_on_disk: bool = False
    """Keep the images in a file in the run's folder: checkpoints stay small, and a resume reads the file once."""


@dataclass(frozen=True)
class Config(Run, Compute, Latent, Replay, Pixels, Learning, Task):
    """All flags of a run, flat. (A dataclass takes its last base first: fields stand in the order above.)"""

    preset: str = "push"

    # Changing these flags does not make it another run.
    MUTABLE = ("total_steps", "workers", "device", "threads", "accelerate", "resume", "run_dir", "preset", "smoke",
               "resume_without_replay", "stop_rule")  # fmt: skip
    # Changing these flags does not change what is learned: a resume may.
    RESUMABLE = (*MUTABLE, "save_every", "save_minutes", "video", "eval_every", "log_every")

    @property
    def layout(self) -> envs.Layout:
        layout = envs.LAYOUTS[self.obs]
        if self.proprio_indices is not None:
            layout = layout._replace(indices=envs.parse_indices(self.proprio_indices))
        return layout.with_proprioception(self.proprioception)

    @property
    def sees_images(self) -> bool:
        """Whether actor or critics read images, or a frozen network's features of them."""
        return self.layout.pixels and self.latent_input != "alone"

    @property
    def tells_robot(self) -> bool:
        """Whether latents need not hold where the robot is: the autoencoder's decoder is told."""
        return self.latent_conditional or self.latent_model == "spatial"

    @property
    def latents(self) -> int:
        """Number of latents of an image: of a spatial autoencoder, x and y for each camera."""
        return 2 * len(self.cameras) if self.latent_model == "spatial" else self.latent_size

    @property
    def stores_images(self) -> bool:
        """Whether the replay keeps images: to be read, or to train a VAE further."""
        return self.sees_images or (self.layout.pixels and self.goal_sampling == "skewed")

    @property
    def gradients(self) -> str:
        """Name of the routing in `agent.routing.ROUTINGS`."""
        return "asymmetric" if self.critic_obs == "state" else self.routing

    def vector_size(self, observations: gym.Space) -> int:
        """V, numbers that the networks read beside images and goal, for one environment's observations."""
        return envs.vector_size(observations, self.layout) + (self.latent_input != "off") * self.latents

    def goal_size(self, observations: gym.Space) -> int:
        """G, numbers of a goal."""
        if self.goals == "latent":
            return self.latents
        return math.prod(observations["desired_goal"].shape)  # type: ignore[index]

    def state_size(self, observations: gym.Space) -> int:
        """S, size of one environment's full state if the critic reads it; else 0."""
        return envs.vector_size(observations, envs.LAYOUTS["state"]) if self.critic_obs == "state" else 0

    @property
    def view(self) -> envs.CameraConfig | None:
        """Cameras and rendering of the images; None if the layout has no images."""
        if not self.layout.pixels:
            return None
        return envs.CameraConfig(
            self.cameras, self.render_size, self.show_goal_marker, self.msaa, self.render_process, self.hide
        )

    @property
    def auxiliary_weights(self) -> dict[str, float]:
        """Weight of each loss of --auxiliary. Raises ValueError, with a sentence, for a word that names no loss."""
        return weights(self.auxiliary)

    @property
    def noise_schedule(self) -> NoiseSchedule | None:
        """Schedule given by --exploration-noise, or None. Raises ValueError, with a sentence, for any other text."""
        return None if self.exploration_noise is None else NoiseSchedule.parse(self.exploration_noise)

    @property
    def image_name(self) -> Literal["pixels", "embedding"]:
        """Name of the images in the observations of agent and replay: pixels, or a frozen network's features."""
        return "embedding" if self.freeze else "pixels"

    @property
    def goals_from_achieved(self) -> bool:
        """Whether goals are shown relative to the true achieved goal: only if the networks see it anyway."""
        return self.relative_goals and (self.layout.shows_achieved or self.latent_input != "off")

    @property
    def goals_from_estimate(self) -> bool:
        """Whether goals are shown relative to the estimated achieved goal."""
        return self.relative_goals and not self.layout.shows_achieved and self.goal_input != "off"

    @property
    def reward_range(self) -> tuple[float, float]:
        """Least and greatest reward of sampled transitions; infinite where unknown."""
        if self.goals == "latent":
            return (-1.0 if self.latent_reward == "sparse" else -math.inf), 0.0
        return envs.reward_range(self.env_id)

    @property
    def best_return(self) -> float:
        """The highest discounted return that rewards allow."""
        return self.reward_range[1] / (1 - self.gamma)

    @property
    def keeps_estimates(self) -> bool:
        """Whether the replay stores each observation's estimated achieved goal, for updates without images: if actor,
        critic and target critic read nothing of an image but the same estimate."""
        return self.goal_input == "replace" and not self.target_encoder

    def learning_rate_factor(self, step: int) -> float:
        """Factor of all learning rates at `step`."""
        left = max(0.0, 1 - step / self.total_steps)
        return min(1.0, left / self.learning_rate_decay) if self.learning_rate_decay else 1.0

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)

    def fixed_json(self) -> str:
        """Flags that a resume may not change, with their values, as JSON."""
        values = dataclasses.asdict(self)
        return json.dumps({name: value for name, value in values.items() if name not in self.RESUMABLE})

    def digest(self) -> str:
        """Short hash of the flags that identify a run."""
        ours = {"total_steps": self.total_steps}  # a longer run is another one, though a resume may lengthen a run
        values = {k: v for k, v in dataclasses.asdict(self).items() if k not in self.MUTABLE} | ours
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:6]

    def default_run_dir(self) -> Path:
        return Path("runs") / f"{self.preset}-seed{self.seed}-{self.digest()}"
