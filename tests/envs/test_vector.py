"""The vector environment against gymnasium's SyncVectorEnv with SAME_STEP autoreset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import envs
from tests.envs.unruly import Unruly, same

Pair = tuple[envs.GoalVectorEnv, SyncVectorEnv]


@contextmanager
def pair(env_id: str, num_envs: int, workers: int) -> Iterator[Pair]:
    """Ours and the reference."""
    ours = envs.make_vec(env_id, num_envs, workers=workers)
    theirs = SyncVectorEnv([lambda: gym.make(env_id)] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    try:
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()


@contextmanager
def vector(env_id: str, num_envs: int, **kwargs: Any) -> Iterator[envs.GoalVectorEnv]:
    """Ours alone."""
    made = envs.make_vec(env_id, num_envs, **kwargs)
    try:
        yield made
    finally:
        made.close()


def actions_for(env: Any, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)


@pytest.mark.parametrize("env_id, steps", [("FetchPush-v4", 105), ("FetchReachDense-v4", 105), ("Unruly-v0", 60)])
def test_equals_sync_vector_env(env_id: str, steps: int, workers: int) -> None:
    """Everything that reset and step return, with blocks of different sizes and episodes out of step."""
    rng = np.random.default_rng(0)
    with pair(env_id, 3, workers) as (ours, theirs):
        result: Any = ours.reset(seed=5)
        assert same(result, theirs.reset(seed=5))
        for step in range(steps):
            actions = actions_for(ours, rng)
            if "Reach" in env_id:  # episodes that end in success
                actions[:, :3] = 10 * (result[0]["desired_goal"] - result[0]["achieved_goal"])
            result = ours.step(actions)
            assert same(result, theirs.step(actions)), step
            if step == 17:  # some episodes begin anew: from here on the ends come at different times
                mask = np.array([False, True, False])
                ours_reset = ours.reset(seed=[1, 2, 3], options={"reset_mask": mask})
                assert same(ours_reset, theirs.reset(seed=[1, 2, 3], options={"reset_mask": mask}))
        assert same(ours.reset(), theirs.reset())


class Growing(Unruly):
    """An entry of its info is longer with each step, another is now a number, now a dictionary."""

    steps = 0

    def step(self, action: np.ndarray) -> Any:
        *rest, info = super().step(action)
        self.steps += 1
        kind = 1.0 if self.at[0] > 0 else {"deep": np.ones(self.steps)}
        return *rest, info | {"grows": np.arange(self.steps), "kind": kind}


def test_infos_whose_entries_change_in_length_or_kind(workers: int) -> None:
    """What gymnasium cannot put into one array comes as objects, the success flags as ever."""
    if "Growing-v0" not in gym.registry:
        gym.register("Growing-v0", f"{__name__}:Growing", max_episode_steps=7)
    with vector("Growing-v0", 3, workers=workers, seed=0) as env:
        env.reset()
        env.set_attr("steps", [1, 2, 2])
        for ended in (False, True):  # the third environment ends in the second step
            infos = env.step(np.array([[0, -0.1], [0, 0.1], [0, 1.5]], np.float32))[-1]
            lengths = [len(infos["grows"][0]), len(infos["grows"][1])]
            assert lengths == ([3, 4] if ended else [2, 3])
            assert list(infos["kind"][0]) == ["deep"] and infos["kind"][1] == 1.0
            assert infos["success"].tolist() == [False, False, not ended]
        assert infos["final_info"]["success"].tolist() == [False, False, True]


@pytest.mark.parametrize("env_id", ["PointMaze_UMaze-v3", "HandReach-v3"])
def test_other_goal_environments(env_id: str) -> None:
    """Their own observations and infos come through workers unchanged."""
    rng = np.random.default_rng(0)
    with pair(env_id, 2, 1) as (ours, theirs):
        assert same(ours.reset(seed=5), theirs.reset(seed=5))
        for _ in range(60):
            actions = actions_for(ours, rng)
            assert same(ours.step(actions), theirs.step(actions))


def test_attributes_equal_sync_vector_env(workers: int) -> None:
    with pair("FetchPush-v4", 3, workers) as (ours, theirs):
        for name in ("num_envs", "render_mode", "metadata", "single_observation_space", "observation_space"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.single_action_space == theirs.single_action_space and ours.action_space == theirs.action_space
        assert ours.unwrapped is ours and isinstance(ours, gym.vector.VectorEnv)
        assert ours.workers == workers and ours.restorable
        ours.reset(seed=2), theirs.reset(seed=2)
        assert ours.np_random_seed == theirs.np_random_seed == (2, 3, 4)
        assert [g.bit_generator.state for g in ours.np_random] == [g.bit_generator.state for g in theirs.np_random]


def test_call_and_attributes(workers: int) -> None:
    with pair("Unruly-v0", 3, workers) as (ours, theirs):
        for env in (ours, theirs):
            env.reset(seed=0)
            env.set_attr("scale", [1.0, 2.0, 3.0])
            assert env.get_attr("scale") == (1.0, 2.0, 3.0)
            env.set_attr("scale", 0.5)
            assert env.call("scale") == (0.5, 0.5, 0.5)
            assert env.call("loaded", "no.such.module") == (False, False, False)
            assert env.call("loaded", module="numpy") == (True, True, True)
            with pytest.raises(ValueError):
                env.set_attr("scale", [1.0])


def test_seeds(workers: int) -> None:
    """Integer, list, none; and the one given to make_vec, for the first reset only."""
    with vector("Unruly-v0", 3, workers=workers, seed=7) as first, vector("Unruly-v0", 3, workers=0) as second:
        observation, infos = first.reset()
        assert infos["seed"].tolist() == [7, 8, 9]
        assert same(observation, second.reset(seed=7)[0])
        assert first.reset()[1]["seed"].tolist() == [-1, -1, -1]
        assert first.reset(seed=[4, None, 6])[1]["seed"].tolist() == [4, -1, 6]
        assert first.reset(options={"start": 1.5})[0]["achieved_goal"].tolist() == [[1.5]] * 3
        with pytest.raises(ValueError, match="2 seeds"):
            first.reset(seed=[1, 2])


def test_bad_reset_masks() -> None:
    with vector("Unruly-v0", 2, workers=0) as env:
        for mask in (np.array([True]), np.array([False, False])):
            with pytest.raises(ValueError):
                env.reset(options={"reset_mask": mask})
        for wrong in ([True, False], np.array([1, 0])):
            with pytest.raises(TypeError):
                env.reset(options={"reset_mask": wrong})


def test_what_a_step_returned_outlives_the_next_step(workers: int) -> None:
    """Double buffering: untouched while the next step runs and when it has ended, reused by the one after."""
    rng = np.random.default_rng(0)
    with vector("FetchReach-v4", 3, workers=workers, seed=0) as env:
        env.reset()
        first, *rest = env.step(actions_for(env, rng))
        kept = {key: value.copy() for key, value in first.items()}
        kept_rest = [np.array(value) for value in rest[:3]]
        env.step_async(actions_for(env, rng))
        second = env.step_wait()[0]
        assert same(first, kept)
        assert not any(np.shares_memory(first[key], second[key]) for key in first)
        third = env.step(actions_for(env, rng))[0]
        assert all(np.shares_memory(first[key], third[key]) for key in first)
        assert same([np.array(value) for value in rest[:3]], kept_rest)
        fourth = env.reset()[0]
        assert not any(np.shares_memory(third[key], fourth[key]) for key in third)


def test_observations_outlive_close(workers: int) -> None:
    with vector("Unruly-v0", 2, workers=workers) as env:
        observation, _ = env.reset(seed=0)
        kept = {key: value.copy() for key, value in observation.items()}
    assert same(observation, kept)


def test_order_of_calls_is_enforced(workers: int) -> None:
    with vector("Unruly-v0", 2, workers=workers) as env:
        actions = np.zeros((2, 2), np.float32)
        with pytest.raises(ResetNeeded):
            env.step(actions)
        env.reset(seed=0)
        with pytest.raises(NoAsyncCallError):
            env.step_wait()
        with pytest.raises(ValueError, match="shape"):
            env.step(np.zeros((3, 2), np.float32))
        env.step_async(actions)
        for call in (lambda: env.step_async(actions), env.reset, lambda: env.call("scale")):
            with pytest.raises(AlreadyPendingCallError):
                call()
        env.step_wait()
        env.step_async(actions)
        env.close()  # with a step under way
        env.close()
        with pytest.raises(ClosedEnvironmentError):
            env.reset()


@pytest.mark.parametrize("second_workers", [0, 1, 2])
def test_states_go_on_exactly(second_workers: int) -> None:
    """States taken with two workers go on with any number, without a reset, across the end of the episodes."""
    rng = np.random.default_rng(0)
    with vector("FetchPickAndPlace-v4", 3, workers=2, seed=1) as one:
        one.reset()
        for _ in range(40):
            one.step(actions_for(one, rng))
        states = one.get_states()
        with vector("FetchPickAndPlace-v4", 3, workers=second_workers, seed=50) as two:
            two.set_states(states)
            for _ in range(25):
                actions = actions_for(one, rng)
                assert same(one.step(actions), two.step(actions))
            with pytest.raises(ValueError, match="do not fit"):
                two.set_states(states[:1])


def test_only_fetch_is_restorable() -> None:
    with vector("Unruly-v0", 1, workers=0) as env:
        assert not env.restorable
        with pytest.raises(NotImplementedError, match="Unruly-v0"):
            env.get_states()


def test_success_of() -> None:
    """Both names of the flag, its mask, and the absence of either."""
    with vector("Unruly-v0", 2, workers=0, seed=0) as env:
        env.reset()
        infos = env.step(np.array([[0, 1.5], [0, 0.5]], np.float32))[4]
        assert envs.success_of(infos, 2).tolist() == [True, False]
        infos = env.step(np.array([[0, 1.5], [0, 0.5]], np.float32))[4]  # the first one ends
        assert envs.success_of(infos["final_info"], 2).tolist() == [True, False]
    masked = {"is_success": np.ones(2, np.float32), "_is_success": np.array([False, True])}
    assert envs.success_of(masked, 2).tolist() == [False, True]
    assert envs.success_of({}, 3).tolist() == [False] * 3
    assert envs.success_of({"is_success": np.float32(1)}, 1).tolist() == [True]


def test_bad_arguments_name_the_mend() -> None:
    with pytest.raises(ValueError, match="no camera 'behind': choose among default, close"):
        envs.make_vec("FetchReach-v4", 1, view=envs.CameraConfig(("behind",)))
    with pytest.raises(ValueError, match="no camera 'close': choose among default"):
        envs.make_vec("PointMaze_UMaze-v3", 1, workers=0, view=envs.CameraConfig(("close",)))
    with pytest.raises(ValueError, match="1 or more"):
        envs.make_vec("FetchReach-v4", 0)
    with pytest.raises(ValueError, match="0 \\(none\\)"):
        envs.make_vec("FetchReach-v4", 1, workers=-1)
    with pytest.raises(ValueError, match="use FetchReach-v4"):
        envs.make_vec("FetchReach-v9", 1)
    with pytest.raises(ValueError, match="not a goal environment"):
        envs.make_vec("CartPole-v1", 1)


def test_automatic_workers_depend_on_cores_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, num_envs, expected in ((1, 4, 0), (2, 4, 1), (16, 2, 2)):
        monkeypatch.setattr("envs.make.cores", lambda cores=cores: cores)
        with vector("Unruly-v0", num_envs) as env:
            assert env.workers == expected
