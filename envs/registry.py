"""Goal environments by id: registering them, finding and building one.

No torch is imported here: worker processes load this module.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import re
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from envs.failure import Unusable, reason
from envs.rendering.gl import RenderError, import_mujoco

with contextlib.redirect_stderr(io.StringIO()):  # the import prints notes about environments that nobody asked for
    import_mujoco()
    import gymnasium_robotics

from envs.fetch import FetchEnv, is_fetch

gym.register_envs(gymnasium_robotics)

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


def make_env(env_id: str | EnvSpec, **kwargs: Any) -> gym.Env[Any, Any]:
    """Build one environment that truncates after its spec's `max_episode_steps`, or sooner by a limit of its own.

    The result is that of `gymnasium.make` without the passive checker; for the four Fetch tasks a `FetchEnv`, with
    the same numbers, bit for bit, and a faster step.

    Args:
        env_id: a registered id ("FetchPush-v4", "module:Name-v0") or a spec.
        **kwargs: passed on to the environment's constructor; give `render_mode` only to render, because not every
            environment accepts it.

    Raises:
        Unusable: with the reason, if the environment's constructor raises; RenderError as it is.
    """
    leaves_files = "maze" in (env_id if isinstance(env_id, str) else env_id.id).lower()
    with warnings.catch_warnings(), _temporary_files_removed() if leaves_files else contextlib.nullcontext():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            stock = gym.make(env_id, disable_env_checker=True, **kwargs)
        except RenderError:
            raise
        except Exception as error:  # whatever a constructor raises, the user gets one sentence
            name = env_id if isinstance(env_id, str) else env_id.id
            how = f" with render_mode={kwargs['render_mode']}" if "render_mode" in kwargs else ""
            raise Unusable(
                f"'{name}' cannot be built{how} ({reason(error)}): install what it needs or choose another id."
            ) from error
    return FetchEnv(stock) if is_fetch(stock) else stock


@contextlib.contextmanager
def _temporary_files_removed() -> Iterator[None]:
    """Remove temporary files at the context's end: mazes write their model to a file, read it once, and leave it."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def goal_spaces(env: gym.Env[Any, Any]) -> tuple[gym.spaces.Dict, gym.spaces.Box]:
    """Spaces of a goal environment's observations and actions. Raises ValueError for other kinds of spaces."""
    space, actions = env.observation_space, env.action_space
    boxes = isinstance(space, gym.spaces.Dict) and all(isinstance(box, gym.spaces.Box) for box in space.spaces.values())
    if not boxes or not isinstance(actions, gym.spaces.Box):
        name = env.spec.id if env.spec else env
        raise ValueError(f"'{name}' is not a goal environment with Boxes for observations and actions.")
    return space, actions  # type: ignore[return-value]


def find_spec(env_id: str) -> EnvSpec:
    """The registered spec of `env_id`; of "module:Name-v0" after importing the module.

    Raises:
        ValueError: if there is no such environment; the message has the nearest known ids.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(name)
    except gym.error.Error:
        raise ValueError(f"There is no environment '{env_id}': {suggestion(name)}.") from None
    except ImportError as error:
        raise ValueError(
            f"'{env_id}' names a module that cannot be imported ({error}): install its package, or check its spelling."
        ) from None
    except Exception as error:  # whatever the module's own code raises
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"'{env_id}' names a module that fails when it is imported ({reason}).") from None


def suggestion(env_id: str) -> str:
    """The newest version of the same name, else a few of the nearest names."""
    name = re.sub(r"-v\d+$", "", env_id)
    usable = [spec for spec in gym.registry.values() if "MujocoPy" not in str(spec.entry_point)]
    same = [spec for spec in usable if (f"{spec.namespace}/" if spec.namespace else "") + spec.name == name]
    if same:
        return f"use {max(same, key=lambda spec: spec.version or 0).id}"
    near = difflib.get_close_matches(env_id, [spec.id for spec in usable], n=3, cutoff=0.65)
    return f"did you mean {' or '.join(near)}" if near else "see gymnasium.pprint_registry() for what is registered"
