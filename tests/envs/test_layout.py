"""The names of observation fields against what the live simulation says."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs
from envs.layout import OBJECT_FIELDS, REACH_FIELDS, slices


def played(env_id: str) -> tuple[dict[str, np.ndarray], Any]:
    """A stock environment after a few steps: observation, and the environment."""
    env = gym.make(env_id)
    observation, _ = env.reset(seed=0)
    for _ in range(7):
        observation, *_ = env.step(np.array([0.4, -0.3, -0.8, 0.6], np.float32))
    return observation, env.unwrapped


@pytest.mark.parametrize("env_id", ["FetchPush-v4", "FetchPickAndPlace-v4", "FetchSlide-v4"])
def test_names_pick_the_right_numbers(env_id: str) -> None:
    observation, env = played(env_id)
    at = {name: observation["observation"][where] for name, where in envs.fetch_fields(25).items()}
    names = ("grip_pos", "object_pos", "object_rel_pos", "gripper_state", "object_rot")
    velocities = ("object_velp", "object_velr", "grip_velp", "gripper_vel")
    for name, value in zip(names + velocities, env.generate_mujoco_observations()[:1], strict=False):
        assert np.array_equal(at[name], value)
    live = env.generate_mujoco_observations()  # in stock's own order
    order = ("grip_pos", "object_pos", "object_rel_pos", "gripper_state", "object_rot", *velocities)
    assert all(np.array_equal(at[name], value) for name, value in zip(order, live, strict=True))
    assert np.array_equal(at["grip_pos"], env.data.site("robot0:grip").xpos)
    assert np.array_equal(at["object_pos"], observation["achieved_goal"])
    assert np.array_equal(at["object_rel_pos"], at["object_pos"] - at["grip_pos"])
    fingers = [env.data.joint(f"robot0:{side}_gripper_finger_joint").qpos[0] for side in "rl"]
    assert np.array_equal(at["gripper_state"], fingers)


def test_reach_has_no_object() -> None:
    observation, env = played("FetchReach-v4")
    fields = envs.fetch_fields(10)
    assert tuple(fields) == envs.PROPRIOCEPTION
    assert np.array_equal(observation["observation"][fields["grip_pos"]], observation["achieved_goal"])
    assert np.array_equal(observation["observation"][fields["gripper_vel"]], env.generate_mujoco_observations()[-1])


def test_fields_are_the_documented_ranges() -> None:
    spans = {name: (where.start, where.stop) for name, where in slices(OBJECT_FIELDS).items()}
    assert spans == {
        "grip_pos": (0, 3),
        "object_pos": (3, 6),
        "object_rel_pos": (6, 9),
        "gripper_state": (9, 11),
        "object_rot": (11, 14),
        "object_velp": (14, 17),
        "object_velr": (17, 20),
        "grip_velp": (20, 23),
        "gripper_vel": (23, 25),
    }
    spans = {name: (where.start, where.stop) for name, where in slices(REACH_FIELDS).items()}
    assert spans == {"grip_pos": (0, 3), "gripper_state": (3, 5), "grip_velp": (5, 8), "gripper_vel": (8, 10)}
    with pytest.raises(ValueError, match="11 numbers"):
        envs.fetch_fields(11)


def test_proprioception_knows_nothing_of_the_object() -> None:
    """Moving the block changes none of its 10 numbers, while `observation[:10]` would give it away."""
    observation, env = played("FetchPush-v4")
    before = envs.take(observation["observation"], envs.PROPRIOCEPTION)
    moved = env.data.joint("object0:joint")
    moved.qpos[:2] += 0.03
    env._mujoco.mj_forward(env.model, env.data)
    after = env._get_obs()["observation"]
    assert before.shape == (10,)
    assert np.allclose(before, envs.take(after, envs.PROPRIOCEPTION), atol=1e-12)
    assert not np.allclose(observation["observation"][:10], after[:10])


@pytest.mark.parametrize("env_id, size", [("FetchPush-v4", 28), ("FetchReach-v4", 13), ("PointMaze_UMaze-v3", 6)])
def test_state_vector(env_id: str, size: int) -> None:
    env = envs.make_vec(env_id, 3, workers=0, seed=0)
    observation, _ = env.reset()
    vector = envs.vector_of(observation, envs.LAYOUTS["state"])
    assert vector.dtype == np.float32 and vector.shape == (3, size)
    assert envs.vector_size(env.single_observation_space, envs.LAYOUTS["state"]) == size
    parts = np.concatenate([observation["observation"], observation["achieved_goal"]], axis=1)
    assert np.array_equal(vector, parts.astype(np.float32))
    env.close()


def test_numbers_that_the_user_names() -> None:
    indices = envs.parse_indices("0:3,9:11")
    assert indices == (0, 1, 2, 9, 10) and envs.parse_indices("4, 2") == (4, 2)
    layout = envs.LAYOUTS["pixels+vector+goal"]._replace(indices=indices)
    numbers = np.arange(24.0).reshape(2, 12)
    picked = envs.vector_of({"observation": numbers, "desired_goal": numbers}, layout)
    assert picked.tolist() == [[0, 1, 2, 9, 10], [12, 13, 14, 21, 22]]
    for text in ("", "3:3", "a", "1,1", "0:-1", "1:"):
        with pytest.raises(ValueError, match="as in 0:3,9:11"):
            envs.parse_indices(text)
