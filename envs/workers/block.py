"""A block of environments stepped one after another, and the memory its results are written to.

The same block runs in the trainer's process and in a worker's. No torch is imported here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.fetch import FetchEnv
from envs.rendering.cameras import PIXELS, POSE, CameraConfig
from envs.rendering.frames import make_seen
from envs.rendering.simulation import pose_of

if TYPE_CHECKING:
    from envs.rendering.renderer import EnvRenderer

Infos = list[tuple[dict[str, Any], dict[str, Any] | None]]  # per environment: info, and final_info where it ended


def memory_dtype(
    observation_space: gym.spaces.Dict, action_space: gym.spaces.Box, num_envs: int, pose_size: int = 0
) -> np.dtype[np.void]:
    """Layout of the shared memory: one actions array, and two slots of everything a step returns.

    Step t writes slot t % 2, so that its results stay untouched until step t + 2 begins. With a `pose_size`, there is
    room for the poses that another process renders.
    """
    rows = [(key, box.dtype, (num_envs, *box.shape)) for key, box in observation_space.spaces.items()]  # type: ignore
    if pose_size:
        rows.append((POSE, np.dtype(np.float64), (num_envs, pose_size)))
    slot = [
        ("observation", rows),
        ("final_observation", rows),
        ("rewards", np.float64, (num_envs,)),
        ("terminations", np.bool_, (num_envs,)),
        ("truncations", np.bool_, (num_envs,)),
        ("success", np.float32, (num_envs,)),  # Fetch's only info, of the step itself, also where an episode ended
    ]
    actions = ("actions", action_space.dtype, (num_envs, *action_space.shape))
    return np.dtype([actions, ("slots", np.dtype(slot, align=True), (2,))], align=True)


class EnvBlock:
    """Environments `rows` of a vector environment.

    Args:
        spec: spec of the environments.
        rows: the indices of this block's environments in the whole.
        memory: () array of `memory_dtype`, written in place.
        view: cameras of the observation's "pixels"; None renders no images. If the memory has room for poses, these are
            written for another process to render.
        turn: file descriptor of a pipe to that process, which gets a byte when all poses are written.
    """

    def __init__(
        self, spec: EnvSpec, rows: range, memory: np.ndarray, view: CameraConfig | None, turn: int | None = None
    ) -> None:
        self.rows = rows
        self.current = rows.start  # the environment being worked on: whom to blame for an exception
        self.envs = [make_seen(spec, view) for _ in rows]
        self._plain = isinstance(self.envs[0], FetchEnv)  # info is {"is_success": float32}, which fits the memory
        slots = memory["slots"]
        self._actions = memory["actions"]
        names = slots["observation"].dtype.names or ()
        keys = [name for name in names if name not in (PIXELS, POSE)]
        self._observation = [(key, slots["observation"][key]) for key in keys]  # each (2, N, ...)
        self._final = [(key, slots["final_observation"][key]) for key in keys]
        self._slots, self._has_poses, self._turn = slots, POSE in names, turn
        self._renderer: EnvRenderer | None = None
        if view is not None and not view.one_process:
            from envs.rendering.renderer import EnvRenderer  # GL is loaded only where something is rendered

            self._renderer = EnvRenderer(self.envs[0], view)
        self._rewards, self._success = slots["rewards"], slots["success"]  # (2, N)
        self._terminations, self._truncations = slots["terminations"], slots["truncations"]

    def step(self, slot: int) -> Infos | None:
        """Step every environment and reset those that ended (SAME_STEP). None stands for plain Fetch infos."""
        infos: Infos = []
        for row, env in self._each():
            observation, reward, terminated, truncated, info = env.step(self._actions[row].copy())
            self._rewards[slot, row] = reward
            self._terminations[slot, row] = terminated
            self._truncations[slot, row] = truncated
            if self._plain:
                self._success[slot, row] = info["is_success"]
            final_info = None
            if terminated or truncated:
                for key, final in self._final:
                    final[slot, row] = observation[key]
                self._render("final_observation", slot, row, env)
                final_info = info
                observation, info = env.reset()
            for key, array in self._observation:
                array[slot, row] = observation[key]
            self._render("observation", slot, row, env)
            infos.append((info, final_info))
        self._pass_on()
        return None if self._plain else infos

    def reset(
        self, slot: int, seeds: Sequence[int | None], mask: np.ndarray, options: dict[str, Any] | None
    ) -> list[dict[str, Any] | None]:
        """Reset the environments in `mask` (N,), a mask of the whole vector. Returns infos, None for the others."""
        infos: list[dict[str, Any] | None] = []
        for row, env in self._each():
            if mask[row]:
                observation, info = env.reset(seed=seeds[row], options=options)
                for key, array in self._observation:
                    array[slot, row] = observation[key]
                self._render("observation", slot, row, env)
            infos.append(info if mask[row] else None)
        self._pass_on()
        return infos

    def call(self, name: str, args: Sequence[Sequence[Any]], kwargs: dict[str, Any]) -> list[Any]:
        """Per environment, `name(*args[row], **kwargs)`, or the attribute `name` if it is not callable."""
        results = []
        for row, env in self._each():
            value = env.get_wrapper_attr(name)
            results.append(value(*args[row], **kwargs) if callable(value) else value)
        return results

    def gl_renderer(self) -> str | None:
        """Name of the renderer of the pixels (GL_RENDERER); None where nothing is rendered."""
        return None if self._renderer is None else self._renderer.name

    def close(self) -> None:
        """Close every environment."""
        if self._renderer is not None:
            self._renderer.close()
        for env in self.envs:
            env.close()

    def _each(self) -> Any:
        for row, env in zip(self.rows, self.envs, strict=True):
            self.current = row
            yield row, env

    def _pass_on(self) -> None:
        if self._has_poses and self._turn is not None:
            with contextlib.suppress(BrokenPipeError):  # it is dead, and the trainer will say so
                os.write(self._turn, b".")

    def _render(self, which: str, slot: int, row: int, env: Any) -> None:
        """Render the environment as it is now, or leave its pose for the process that will."""
        if self._renderer is not None:
            self._renderer.render(env, self._slots[which][PIXELS][slot, row])
        elif self._has_poses:
            self._slots[which][POSE][slot, row] = pose_of(env)


class LocalBlock:
    """A block in this process, with the two halves of a remote one: `submit` notes a command, `result` runs it."""

    def __init__(self, spec: EnvSpec, rows: range, memory: np.ndarray, view: CameraConfig | None) -> None:
        self.rows = rows
        self._block = EnvBlock(spec, rows, memory, view)
        self._command: tuple[str, tuple[Any, ...]] | None = None

    def submit(self, command: str, *args: Any) -> None:
        """Note the command."""
        self._command = (command, args)

    def result(self) -> Any:
        """Run the noted command; return its result."""
        assert self._command is not None
        (command, args), self._command = self._command, None
        return getattr(self._block, command)(*args)

    @property
    def current(self) -> int:
        """The environment that was worked on last."""
        return self._block.current

    def close(self, at_once: bool = False) -> None:
        """Close the environments."""
        self._block.close()
