"""Many goal environments stepped as one, in this process or in workers, while the caller does something else."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.failure import Failure
from envs.fetch import FetchEnv
from envs.finite import check_finite
from envs.infos import as_objects, fetch_infos, fits, split_mask
from envs.registry import GOAL_KEYS, goal_spaces
from envs.rendering.cameras import PIXELS, CameraConfig
from envs.rendering.frames import check_view, make_seen
from envs.rendering.simulation import pose_of
from envs.workers.block import Infos, memory_dtype
from envs.workers.blocks import Blocks
from envs.workers.remote import WorkerError

Observation = dict[str, np.ndarray]
_OUTCOMES = ("rewards", "terminations", "truncations", "success")


class GoalVectorEnv(VectorEnv[Any, Any, Any]):
    """Goal environments with SAME_STEP autoreset; the reference is gymnasium's SyncVectorEnv in that mode.

    `step` is `step_async` (start) and `step_wait` (finish); in between, the caller is free, and workers run the
    environments. Observations are float64 arrays (num_envs, n) that alias double-buffered memory: observations of a
    step or reset stay valid during the next step, and the step after that overwrites them. Rewards, flags, infos and
    `final_obs` are copies that the caller owns. Actions are cast to the action space's dtype.

    A WorkerError closes the vector. Without workers, an environment's exception is passed on unchanged.

    With a `view`, observations have "pixels" too, (num_envs, 84, 84, 3 C) uint8.

    Attributes:
        workers: processes in use, 0 for none.
        restorable: whether `get_states` and `set_states` work (Fetch tasks only).
    """

    def __init__(
        self, spec: EnvSpec, num_envs: int, workers: int, seed: int | None, view: CameraConfig | None = None
    ) -> None:
        self.num_envs, self.workers, self.spec = num_envs, min(workers, num_envs), deepcopy(spec)
        self._seed, self._slot, self._ready, self._stepping = seed, 0, False, False
        self._env_id = spec.id  # for messages
        example = make_seen(spec, view)
        space, actions = goal_spaces(example)
        self.metadata = {**example.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode, self.restorable = example.render_mode, isinstance(example, FetchEnv)
        if view is not None:
            check_view(spec, view)
            space = gym.spaces.Dict({**space.spaces, PIXELS: gym.spaces.Box(0, 255, view.shape, np.uint8)})
        self.single_observation_space, self.observation_space = space, batch_space(space, num_envs)
        self.single_action_space, self.action_space = actions, batch_space(actions, num_envs)
        pose_size = 0
        if view is not None and view.one_process:
            example.reset()  # before its first reset, it has no goal
            pose_size = len(pose_of(example))
        dtype = memory_dtype(space, actions, num_envs, pose_size)
        self._blocks = Blocks(spec, num_envs, self.workers, dtype, view)
        example.close()
        slots = self._blocks.memory["slots"]
        keys = space.spaces
        self._kept = slots["observation"]  # including the poses, which are no observation
        self._observations = [{key: slots["observation"][key][slot] for key in keys} for slot in (0, 1)]
        self._finals = [{key: slots["final_observation"][key][slot] for key in keys} for slot in (0, 1)]
        self._outcomes = [[slots[name][slot] for name in _OUTCOMES] for slot in (0, 1)]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Reset all environments, or those of a boolean `options["reset_mask"]` (num_envs,).

        Args:
            seed: environment i gets seed + i, or seed[i].
            options: passed on to every environment, the mask aside.

        Raises:
            AlreadyPendingCallError: between `step_async` and `step_wait`.
            NotFinite: if an observation has NaN, infinity, or a number beyond float32.
        """
        self._check_idle("reset")
        seed, self._seed = self._seed if seed is None else seed, None
        if seed is None:
            seed = [None] * self.num_envs
        elif isinstance(seed, (int, np.integer)):
            seed = [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds do not fit {self.num_envs} environments: give one for each.")
        mask, options = split_mask(options, self.num_envs)
        self._slot = 1 - self._slot
        for key in self._kept.dtype.names or ():
            self._kept[key][self._slot] = self._kept[key][1 - self._slot]  # environments that are not reset keep theirs
        self._submit("reset", self._slot, seed, mask, options)
        replies = self._collect()
        infos: dict[str, Any] = {}
        for row, info in enumerate(info for reply in replies for info in reply):
            infos = self._add_info(infos, info or {}, row)
        self._ready = True
        obs = self._fresh()
        check_finite(self._env_id, "at a reset", {key: obs[key] for key in GOAL_KEYS})
        return obs, infos

    def step_async(self, actions: np.ndarray) -> None:
        """Start a step with actions (num_envs, n), which are copied."""
        self._check_idle("step_async")
        if not self._ready:
            raise ResetNeeded("Call reset() before the first step.")
        target = self._blocks.memory["actions"]
        actions = np.asarray(actions)
        if actions.shape != target.shape:
            raise ValueError(f"Actions of shape {actions.shape} do not fit: give {target.shape}.")
        target[...] = actions
        self._slot = 1 - self._slot
        self._submit("step", self._slot)
        self._stepping = True

    def step_wait(self) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Finish the step: observations, rewards, terminations, truncations, infos.

        Raises:
            NoAsyncCallError: without a `step_async`.
            WorkerError: if a worker died, hangs, or one of its environments raised.
            NotFinite: if an observation or reward is NaN, infinite, or beyond float32.
        """
        self._check_open()
        if not self._stepping:
            raise NoAsyncCallError("Call step_async() before step_wait().", "step_wait")
        replies = self._collect()
        rewards, terminations, truncations, success = (array.copy() for array in self._outcomes[self._slot])
        obs, ended = self._fresh(), terminations | truncations
        numbers = {key: obs[key] for key in GOAL_KEYS} | {"reward": rewards}
        if ended.any():  # the other rows hold old observations
            finals = self._finals[self._slot]
            numbers |= {f"final {key}": np.where(ended[:, None], finals[key], 0) for key in GOAL_KEYS}
        check_finite(self._env_id, "at a step", numbers)
        if self.restorable:
            infos = fetch_infos(success, ended, self._finals[self._slot])
        else:
            infos = self._merge([pair for reply in replies for pair in reply])
        return obs, rewards, terminations, truncations, infos

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """`step_async` and `step_wait`."""
        self.step_async(actions)
        return self.step_wait()

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Per environment, the result of method `name`, or the attribute; with workers, all of this must pickle."""
        return self._call(name, [args] * self.num_envs, kwargs)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Per environment, the attribute `name`, or the result of calling it without arguments."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set the attribute `name`: a list or tuple has one value per environment; any other value is set in all."""
        if not isinstance(values, (list, tuple)):
            values = [values] * self.num_envs
        self._check_count(values)
        self._call("set_wrapper_attr", [(name, value) for value in values], {})

    def get_states(self) -> list[dict[str, Any]]:
        """Per environment, a picklable state from which `set_states` continues, bit for bit (Fetch tasks only).

        Raises:
            NotImplementedError: if the environment is not `restorable`.
        """
        self._check_restorable()
        return list(self.call("get_state"))

    def set_states(self, states: Sequence[dict[str, Any]]) -> None:
        """Restore every environment to its state of `get_states`. A step may follow; no observation is returned."""
        self._check_restorable()
        self._check_count(states)
        self._call("set_state", [(state,) for state in states], {})
        self._ready, self._seed = True, None

    @property
    def failure(self) -> Failure | None:
        """Exception of an environment, in any process; None if there was no exception."""
        return self._blocks.failure

    def gl_renderer(self) -> str | None:
        """Name of the renderer of the observations' pixels (GL_RENDERER); None where nothing is rendered."""
        self._check_idle("gl_renderer")
        self._submit("gl_renderer")
        return self._collect()[0]

    def lower_priority(self) -> None:
        """Lower the workers' priority, so that they yield cores to other processes, above all to this process."""
        self._check_open()
        self._blocks.lower_priority()

    def render(self) -> tuple[Any, ...]:
        """One image of each environment, None without a render mode."""
        return self.call("render")

    @property  # type: ignore[misc]
    def np_random(self) -> Any:
        """The environments' own generators."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> Any:
        """The seeds that the environments were last given."""
        return self.get_attr("np_random_seed")

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environments and end the workers, also during a step; called by `close`, once."""
        self._blocks.stop()

    def _fresh(self) -> Observation:
        return dict(self._observations[self._slot])

    def _merge(self, pairs: Infos) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        finals = self._finals[self._slot]
        for row, (info, final_info) in enumerate(pairs):
            if final_info is not None:
                final_obs = {key: array[row].copy() for key, array in finals.items()}
                infos = self._add_info(infos, {"final_obs": final_obs, "final_info": final_info}, row)
            infos = self._add_info(infos, info, row)
        return infos

    def _add_info(self, vector_infos: dict[str, Any], env_info: dict[str, Any], env_num: int) -> dict[str, Any]:
        """Like gymnasium's, but an entry whose kind or shape differs between environments becomes an object array."""
        for key, value in env_info.items():
            if not fits(vector_infos.get(key), value):
                vector_infos[key] = as_objects(vector_infos[key], vector_infos[f"_{key}"])
                vector_infos[key][env_num], vector_infos[f"_{key}"][env_num] = value, True
            else:
                vector_infos = super()._add_info(vector_infos, {key: value}, env_num)
        return vector_infos

    def _call(self, name: str, args: Sequence[Sequence[Any]], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        self._check_idle(name)
        self._submit("call", name, args, kwargs)
        return tuple(result for reply in self._collect() for result in reply)

    def _submit(self, command: str, *args: Any) -> None:
        try:
            self._blocks.submit(command, *args)
        except WorkerError:
            self.closed = True
            raise

    def _collect(self) -> list[Any]:
        try:
            replies = self._blocks.collect()
        except WorkerError:
            self.closed = True
            raise
        except Exception:  # an environment in this process raised: as in SyncVectorEnv, the vector stays open
            self._stepping = False
            raise
        self._stepping = False
        return replies

    def _check_idle(self, name: str) -> None:
        self._check_open()
        if self._blocks.busy:
            raise AlreadyPendingCallError(f"Call step_wait() before {name}().", name)

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("This vector environment is closed: make a new one.")

    def _check_count(self, values: Sequence[Any]) -> None:
        if len(values) != self.num_envs:
            raise ValueError(f"{len(values)} values do not fit {self.num_envs} environments: give one for each.")

    def _check_restorable(self) -> None:
        if not self.restorable:
            raise NotImplementedError(f"Only Fetch tasks can save their state, {self.spec!r} cannot.")
