"""A trained policy from Python, with the `predict` of Stable-Baselines3:

    import pixel_push

    policy = pixel_push.load("runs/NAME")
    action, state = policy.predict(obs, state, deterministic=True)  # None is the state of an episode that begins

Loading builds the networks and checks the environment: no replay, no optimizer, no process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import envs
from agent import accelerate
from training import run_folder
from training.config.flags import Config
from training.config.validation import check_environment, check_rendering
from training.errors import UserError
from training.model import (
    accelerate_networks,
    load_policy,
    make_agent,
    make_frozen,
    make_goal_space,
    network_config,
)
from training.rollout.policy import FrameStack, Policy

__all__ = ["PixelEnv", "TrainedPolicy", "UserError", "load"]


def load(run: str | Path, seed: int = 0) -> TrainedPolicy:
    """Load the policy of a run.

    Args:
        run: a run's folder, whose latest model is loaded; or a model, such as "runs/NAME/best.pt", which may have been
            copied anywhere: it needs nothing beside it.
        seed: seed of the actions that `predict` samples where it is not deterministic.

    Raises:
        UserError: one sentence, if the run does not exist, has no model or a model of other networks, or its
            environment cannot be built.
    """
    config = run_folder.config_of(Path(run))
    check_environment(config)
    with accelerate.threads(THREADS):
        return TrainedPolicy(config, run_folder.folder_and_model(Path(run))[1], seed)


# CPU threads while a policy acts; torch's own number is restored afterwards. A single observation gains nothing from
# more threads, and beside other busy processes threads mostly wait for one another.
THREADS = 1


class TrainedPolicy:
    """A policy that acts as in `eval.py`, on the CPU, with one thread.

    Args:
        config: the run's.
        file: the saved model.
        seed: seed of the sampled actions.

    Attributes:
        observation_space: observations of one environment of `make_env()`: "observation", "achieved_goal" and
            "desired_goal"; from pixels, also "pixels" (84, 84, 3 x cameras x images in a stack) uint8.
        action_space: the environment's.
        env_steps: environment steps that the model was trained for.
        score: for a best.pt, the success rate in the evaluation for which it was chosen: the highest of many, and so
            likely higher than in other episodes. None for a model.pt.
    """

    def __init__(self, config: Config, file: Path, seed: int) -> None:
        self.config = config
        with envs.make_env(config.env_id) as env:
            actions: Any = env.action_space
            self.action_space, self.observation_space = actions, _observation_space(env, config)
        goal_space = make_goal_space(config, self.observation_space, torch.device("cpu"), seed)
        networks = network_config(config, self.observation_space, actions, goal_space.size)
        agent = make_agent(config, networks, torch.device("cpu"), seed, seed)
        accelerate_networks(agent, config)
        self.env_steps, self.score = load_policy(agent, goal_space, file)
        self._policy = Policy(
            agent,
            config.layout,
            goal_space,
            config.goals_from_achieved,
            config.frame_stack,
            actions,
            config.keeps_estimates,
            config.goal_motion,
            make_frozen(config, agent.device),
            config.latent_input != "off",
        )

    def predict(
        self,
        obs: Mapping[str, ArrayLike],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose an action for an observation, or one for each of a batch.

        Args:
            obs: from `observation_space`; in a batch, every array has a leading axis, (N, ...). Other keys are ignored.
            state: the state that the last call returned; None where episodes begin. It holds the policy's last estimate
                of the object's position. (Stacked images are channels of "pixels".) Ignored by a policy without memory,
                as in SB3.
            episode_start: (N,) bool, which observations begin an episode although a state is given; None for none.
            deterministic: take the tanh of the mean; else sample.

        Returns:
            The action (A,) or actions (N, A), in the action space and of its dtype; and the new state, None for a
            policy without memory.

        Raises:
            ValueError: one sentence, if `obs` does not fit the observation space, or `state` and `episode_start` are of
                another number of observations.
        """
        batch, single = self._batched(obs)
        with accelerate.threads(THREADS):
            return self._predict(batch, single, state, episode_start, deterministic)

    def _predict(
        self,
        batch: dict[str, NDArray[Any]],
        single: bool,
        state: tuple[NDArray[Any], ...] | None,
        episode_start: NDArray[np.bool_] | None,
        deterministic: bool,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Choose actions for arrays (N, ...); other arguments as for `predict`."""
        shown = self._policy.without_images(batch)
        if self.config.layout.pixels:  # stacked already
            frames, opens = self._memory(state, episode_start, len(shown.goal))
            shown = self._policy.with_images(shown, self._policy.encoded(batch[envs.PIXELS]), frames, opens)
        action = self._policy.act(shown, deterministic).action  # (N, A) in [-1, 1]
        actions = self._policy.scale(action)
        remembered = (shown.obs["estimate"].numpy(),) if self._policy.motion else None
        return actions[0] if single else actions, remembered

    def _memory(
        self, state: tuple[NDArray[Any], ...] | None, episode_start: NDArray[np.bool_] | None, rows: int
    ) -> tuple[FrameStack, NDArray[np.bool_]]:
        """Frames with the policy's last estimates, and which of `rows` observations begin an episode, (rows,) bool."""
        frames = self._policy.new_frames()
        if not self._policy.motion:
            return frames, np.ones(rows, bool)
        opens = np.zeros(rows, bool) if episode_start is None else np.atleast_1d(np.asarray(episode_start, bool))
        shape = rows, self.observation_space["achieved_goal"].shape[0]  # type: ignore[index]
        if opens.shape != (rows,) or (state is not None and [np.shape(part) for part in state] != [shape]):
            raise ValueError(
                f"predict was given {rows} observations: the state that its last call returned, and episode_start, "
                "have to be of as many."
            )
        frames.estimate = None if state is None else torch.from_numpy(np.asarray(state[0], np.float32))
        return frames, opens

    def make_env(self) -> gym.Env[Any, Any]:
        """Build one environment of the run's task, whose observations are what `predict` takes.

        Raises:
            UserError: one sentence, if images have to be rendered and no GL library is there.
        """
        check_rendering(self.config)
        view = self.config.view
        env = envs.make_seen(self.config.env_id, view, max_episode_steps=self.config.max_episode_steps)
        return env if self.config.view is None else PixelEnv(env, self.config)

    def _batched(self, obs: Mapping[str, ArrayLike]) -> tuple[dict[str, NDArray[Any]], bool]:
        """Arrays (N, ...) of the space's dtypes, and whether `obs` is a single observation."""
        spaces: dict[str, Any] = self.observation_space.spaces
        if not isinstance(obs, Mapping) or not spaces.keys() <= obs.keys():
            given = f"one of {', '.join(map(str, obs))}" if isinstance(obs, Mapping) else type(obs).__name__
            raise ValueError(f"predict takes a dict of {', '.join(spaces)}, as make_env() observes them, not {given}.")
        arrays = {key: np.asarray(obs[key]) for key in spaces}
        leading: dict[tuple[int, ...], str] = {}  # () or (N,), and a key that has it
        for key, box in spaces.items():
            array, axes = arrays[key], arrays[key].ndim - len(box.shape)
            fits = axes in (0, 1) and array.shape[axes:] == box.shape
            if not fits or not np.can_cast(array.dtype, box.dtype, "same_kind"):
                raise ValueError(
                    f"{key} is {array.dtype} of shape {array.shape}, but this policy takes {box.dtype} of shape "
                    f"{box.shape}, or (N, {', '.join(map(str, box.shape))}) in a batch, as make_env() observes it."
                )
            leading[array.shape[:axes]] = key
        if len(leading) > 1:
            unlike = " but ".join(f"{key} of shape {arrays[key].shape}" for key in leading.values())
            raise ValueError(f"predict was given {unlike}: give one observation, or the same number of each.")
        # Copies, for torch takes no negative strides, and warns of arrays that cannot be written to.
        batch = {key: np.array(array, spaces[key].dtype, order="C") for key, array in arrays.items()}
        return ({key: array[None] for key, array in batch.items()}, True) if () in leading else (batch, False)


class PixelEnv(gym.Wrapper[Any, Any, Any, Any]):
    """An environment with "pixels" in its observations, as in training: the run's cameras and stack of images.

    Args:
        env: from `envs.make_seen`.
        config: the run's, from pixels.
    """

    def __init__(self, env: gym.Env[Any, Any], config: Config) -> None:
        from envs.rendering.renderer import EnvRenderer  # GL is loaded only where something is rendered

        super().__init__(env)
        assert config.view is not None
        self.observation_space = _observation_space(env, config)
        self._renderer, self._frames = EnvRenderer(env, config.view), FrameStack(config.frame_stack)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment; the stack repeats the episode's first image."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_pixels(observation, opens=True), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment; the newest image is the last of the stack."""
        observation, *outcome = self.env.step(action)
        return self._with_pixels(observation, opens=False), *outcome  # type: ignore[return-value]

    def close(self) -> None:
        """Free the renderer too."""
        self._renderer.close()
        super().close()

    def _with_pixels(self, observation: dict[str, NDArray[Any]], opens: bool) -> dict[str, NDArray[Any]]:
        images = self._renderer.render(self.env)[None]
        return observation | {envs.PIXELS: self._frames.push(images, np.array([opens]))[0].numpy()}


def _observation_space(env: gym.Env[Any, Any], config: Config) -> gym.spaces.Dict:
    """Observation space of a run's policy in `env`; "pixels" has the whole stack."""
    space: Any = env.observation_space
    if config.view is None:
        return space
    height, width, channels = config.view.shape
    pixels = gym.spaces.Box(0, 255, (height, width, channels * config.frame_stack), np.uint8)
    return gym.spaces.Dict({**space.spaces, envs.PIXELS: pixels})
