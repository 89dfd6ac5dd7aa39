"""The configuration: one flat dataclass, written in groups so that `--help` can show them as such."""

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
from training.rollout.exploration import NoiseSchedule


@dataclass(frozen=True)
class Task:
    env_id: str = "FetchPush-v4"
    """A registered Gymnasium goal environment; one that ends its episodes on success, too."""
    obs: Literal[
        "state", "chapter", "honest", "pixels-only", "blind", "honest-blind", "pixels+goal", "pixels+vector+goal"
    ] = "state"
    """What the networks see beside the desired goal: state = all numbers; chapter = pixels, proprioception and achieved
    goal; honest = pixels and proprioception; pixels-only; blind, honest-blind = without the pixels. Not in Fetch:
    state, pixels+goal, pixels+vector+goal."""
    critic_obs: Literal["same", "state"] = "same"
    """What the critic sees: the same, or state, all numbers, in training alone, as asymmetric actor-critic has it. Then
    the actor's loss trains the encoder: with images, the routing has to be actor."""
    seed: int = 0
    """Seed of everything random: environments, weights, exploration, sampling."""
    total_steps: int = 42_000
    """Environment steps to train for, all environments together."""
    max_episode_steps: int | None = None
    """Steps after which an episode is truncated; None for the environment's own limit."""
    num_envs: int = 8
    """Number of environments that step together."""
    workers: int | None = None
    """Worker processes that step them, per rank; 0 steps them in this process, None chooses by the number of cores."""


@dataclass(frozen=True)
class Learning:
    learning_starts: int = 1_000
    """Environment steps of exploration alone before the first update."""
    updates_per_step: float = 0.5
    """Gradient updates per environment step; 0.125 is one update per step of 8 environments. From pixels an update is a
    pass of the encoder, with one or several updates of actor and critic on it (--updates-per-encoding)."""
    batch_size: int = 256
    """Transitions in a minibatch."""
    learning_rate: float = 1e-3
    """Learning rate of actor, critic and temperature (Adam)."""
    learning_rate_decay: float = 0.5
    """All learning rates fall linearly to 0 over this last fraction of the steps. When a run is resumed with more steps
    they rise again, to what they are at that step of the longer run."""
    gamma: float = 0.95
    """Discount."""
    tau: float = 0.01
    """Polyak step of the target critic, each update."""
    alpha: float | Literal["auto"] = 0.02
    """Entropy temperature, or auto to learn it, from 0.1 on."""
    clip_targets: bool = True
    """Clip the Q values in the critic's targets to what rewards and entropy allow, where the environment's reward range
    is known."""
    layer_norm: bool = True
    """LayerNorm after each hidden layer of the critics."""
    normalize: bool = True
    """Running mean and standard deviation of the inputs."""
    hidden_width: int = 256
    """Units in a hidden layer of actor and critics."""
    hidden_depth: int = 2
    """Hidden layers of actor and critics."""
    relative_goals: bool = True
    """Give the networks desired - achieved goal in place of the desired goal."""
    random_actions: float = 0.3
    """Probability that an environment takes a uniformly random action instead of the policy's."""
    exploration_noise: str | None = None
    """Act by the policy's mean action plus Gaussian noise on a schedule, as DrQ-v2 does, in the place of samples of the
    policy: linear(FIRST,LAST,STEPS), standard deviations and environment steps, as in 'linear(1.0,0.1,100000)'."""
    guided_episodes: float = 1.0
    """Fraction of episodes that begin with a scripted push or grasp while all fail; it fades as success rises."""


@dataclass(frozen=True)
class Replay:
    buffer_size: int = 1_000_000
    """Observations kept, all environments together."""
    her_ratio: float = 0.8
    """Fraction of a minibatch whose goal is relabelled; 0.8 is k = 4 relabelled for each original."""
    goal_tries: int = 8
    """Candidates, transition and goal, for each relabelled row of a minibatch: the first is taken whose goal was not
    reached when its episode began, so that something was moved."""
    goal_noise: float = 1.0
    """Move each relabelled goal by a random fraction, at most this one, of the difference of two desired goals, so that
    near misses are learned from too. 0 leaves it where it was reached, and so do goals of whole numbers."""
    n_step: int = 1
    """Steps whose rewards, all for the same goal, a transition adds up before it bootstraps; fewer where its episode
    ends. More than one carries rewards back faster, and is biased by what exploration did after the first step."""
    her_strategy: Strategy = "future"
    """Where relabelled goals come from: later in the episode, its end, anywhere in it, or not at all."""
    replay_on_disk: bool = False
    """Keep the images in a file in the run's folder: checkpoints stay small, and a resume reads the file once."""


@dataclass(frozen=True)
class Compute:
    device: str = "auto"
    """Device of the learner: cpu, cuda, cuda:1, or auto (cuda if there is one)."""
    replay_device: Literal["auto", "cpu"] = "auto"
    """Device of the replay: cpu, or auto (the learner's if it fits there, else cpu)."""
    threads: int | None = None
    """Threads of the learner, or of each rank, on a CPU. None chooses one from state or where a GPU learns, and from
    pixels on a CPU as many as there are cores, eight at most. There, of several --updates-per-encoding all but the
    first leave one thread to the environments' processes, which then run at a lower priority (not with --accelerate
    off)."""
    accelerate: Literal["off", "auto", "max"] = "auto"
    """off computes in plain float32; auto computes convolutions, the flat trunk, and hidden layers but the first, in
    bfloat16 where the processor can, and there has a CPU step the optimizers by their kernel alone; max also makes one
    CUDA graph of the update (and of sampling, for a Fetch task whose replay is there)."""


@dataclass(frozen=True)
class Run:
    eval_every: int = 4_000
    """Environment steps between deterministic evaluations."""
    eval_episodes: int = 50
    """Episodes of each of them."""
    final_episodes: int = 100
    """Episodes of the evaluation at the end."""
    log_every: int = 1_000
    """Environment steps between rows of metrics.csv."""
    save_every: int = 20_000
    """Environment steps between full checkpoints, with the replay; one is always written at the start and at a stop."""
    save_minutes: float = 1.0
    """Minutes after which one is written though fewer steps have gone, if that takes less than a fiftieth of the time,
    and if no several ranks learn as one."""
    video: bool = True
    """Record a video of some episodes at the end."""
    stop_rule: bool = False
    """From half of the budget on, end the run at an evaluation if success was flat so far and the critic is no longer
    surprised by the goals asked for (training/verdict.py). For rewards that differ by 1."""
    run_dir: str | None = None
    """The run's folder; None names one under runs/ after preset, seed and a hash of the configuration."""
    resume_without_replay: bool = False
    """Resume with an empty replay, as the chapter's run did: uniformly random actions for --learning-starts steps, and
    guided episodes where the run has them."""
    smoke: bool = False
    """Try everything in a minute or two: learn a little, stop, resume, evaluate and record, in a folder of its own."""
    resume: str | None = None
    """A run's folder to continue; only total-steps, workers, device, threads, accelerate, video, stop-rule, and how
    often it is saved, logged and evaluated may be changed."""


@dataclass(frozen=True)
class Config(Run, Compute, Latent, Replay, Pixels, Learning, Task):
    """All flags of a run, flat. (A dataclass takes its last base first: fields stand in the order above.)"""

    preset: str = "push"

    # Changing these does not make it another run.
    MUTABLE = ("total_steps", "workers", "device", "threads", "accelerate", "resume", "run_dir", "preset", "smoke",
               "resume_without_replay", "stop_rule")  # fmt: skip
    # Nor does changing these change what is learned: a resume may.
    RESUMABLE = (*MUTABLE, "save_every", "save_minutes", "video", "eval_every", "log_every")

    @property
    def layout(self) -> envs.Layout:
        layout = envs.LAYOUTS[self.obs]
        if self.proprio_indices is not None:
            layout = layout._replace(indices=envs.parse_indices(self.proprio_indices))
        return layout.with_proprioception(self.proprioception)

    @property
    def gradients(self) -> str:
        """Row of `agent.routing.ROUTINGS`."""
        return "asymmetric" if self.critic_obs == "state" else self.routing

    def state_size(self, observations: gym.Space) -> int:
        """S, numbers of the state of one environment where the critic reads it; else 0."""
        return envs.vector_size(observations, envs.LAYOUTS["state"]) if self.critic_obs == "state" else 0

    @property
    def view(self) -> envs.CameraConfig | None:
        """What the images show; None where the layout has none."""
        if not self.layout.pixels:
            return None
        return envs.CameraConfig(
            self.cameras, self.render_size, self.show_goal_marker, self.msaa, self.render_process, self.hide
        )

    @property
    def auxiliary_weights(self) -> dict[str, float]:
        """Weight of each loss of --auxiliary. Raises ValueError, with a sentence, for what names none."""
        return weights(self.auxiliary)

    @property
    def noise_schedule(self) -> NoiseSchedule | None:
        """Schedule that --exploration-noise names. Raises ValueError, with a sentence, for what is none."""
        return None if self.exploration_noise is None else NoiseSchedule.parse(self.exploration_noise)

    @property
    def image_name(self) -> Literal["pixels", "embedding"]:
        """Name of the observation that agent and replay have of an image."""
        return "embedding" if self.freeze else "pixels"

    @property
    def goals_from_achieved(self) -> bool:
        """Whether goals are shown as seen from the true achieved goal: only where the layout shows that anyway."""
        return self.relative_goals and self.layout.shows_achieved

    @property
    def goals_from_estimate(self) -> bool:
        """Whether goals are shown as seen from the estimated achieved goal."""
        return self.relative_goals and not self.layout.shows_achieved and self.goal_input != "off"

    @property
    def reward_range(self) -> tuple[float, float]:
        """The least and the greatest reward that the replay hands out; infinite where unknown."""
        if self.goals == "latent":
            return (-1.0 if self.latent_reward == "sparse" else -math.inf), 0.0
        return envs.reward_range(self.env_id)

    @property
    def keeps_estimates(self) -> bool:
        """Whether the replay keeps each observation's estimated achieved goal, for updates that need no images: where
        actor and critics read nothing else of an image, and all of them the same."""
        return self.goal_input == "replace" and not self.target_encoder

    def learning_rate_factor(self, step: int) -> float:
        """What the learning rates are multiplied by at `step`."""
        left = max(0.0, 1 - step / self.total_steps)
        return min(1.0, left / self.learning_rate_decay) if self.learning_rate_decay else 1.0

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)

    def fixed_json(self) -> str:
        """The flags that a resume may not change, and their values."""
        values = dataclasses.asdict(self)
        return json.dumps({name: value for name, value in values.items() if name not in self.RESUMABLE})

    def digest(self) -> str:
        """Short hash of all that makes this run what it is."""
        ours = {"total_steps": self.total_steps}  # a longer run is another one, though it may be resumed into it
        values = {k: v for k, v in dataclasses.asdict(self).items() if k not in self.MUTABLE} | ours
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:6]

    def default_run_dir(self) -> Path:
        return Path("runs") / f"{self.preset}-seed{self.seed}-{self.digest()}"
