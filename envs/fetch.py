"""The Fetch tasks of gymnasium-robotics, stepped with cached ids and preallocated arrays.

Observations, rewards, success and dynamics equal the stock environment's bit for bit; only overhead is saved.
The stock step looks joints and sites up by name and builds a Jacobian for each velocity (about 150 us), and runs a
whole `mj_forward` (about 20 us) after the fingers of a blocked gripper are set back to zero. Nothing of that
`mj_forward` outlives the next `mj_step` except body and site poses and the Jacobian's inputs: it does not touch the
solver's warm start. So `mj_kinematics` and `mj_comPos` (1.5 us together) stand in for it.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium_robotics.envs.fetch.fetch_env import MujocoFetchEnv
from gymnasium_robotics.envs.fetch.pick_and_place import MujocoFetchPickAndPlaceEnv
from gymnasium_robotics.envs.fetch.push import MujocoFetchPushEnv
from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv
from gymnasium_robotics.envs.fetch.slide import MujocoFetchSlideEnv
from gymnasium_robotics.utils import rotations

from envs.layers import inside, is_patched, step_limit
from envs.layout import OBJECT_FIELDS, REACH_FIELDS, slices

_TASKS = (MujocoFetchReachEnv, MujocoFetchPushEnv, MujocoFetchSlideEnv, MujocoFetchPickAndPlaceEnv)
_FINGERS = ("robot0:r_gripper_finger_joint", "robot0:l_gripper_finger_joint")
_ROTATION = np.array([1.0, 0.0, 1.0, 0.0])  # stock adds it to the mocap body's quaternion at every step
_GIMBAL = 4.0 * np.finfo(np.float64).eps  # below it, stock takes the other branch for Euler angles
_REACHED, _MISSED = np.float32(-0.0), np.float32(-1.0)  # stock computes -float32(bool): the zero is negative
_PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION

Observation = dict[str, np.ndarray]


def is_fetch(env: gym.Env[Any, Any]) -> bool:
    """Whether `FetchEnv` can replace `env`: a stock Fetch task with unchanged methods, only bookkeeping wrappers around
    it, a step limit, and no window."""
    base = inside(env)
    stock = type(base) in _TASKS and not is_patched(base)
    return stock and env.spec is not None and step_limit(env) is not None and env.render_mode != "human"


class FetchEnv(gym.Wrapper[Any, Any, Any, Any]):
    """A stock Fetch environment with a faster step and reset, and a state that can be saved.

    Stepping before the first reset is an error, as in stock.

    Two things differ from stock, on purpose: `render()` leaves the simulation as it was (stock's moves the lagging
    poses forward, which changes what PickAndPlace does next), and contact and force arrays of `data` are those of the
    last substep.
    """

    def __init__(self, stock: gym.Env[Any, Any]) -> None:
        base, limit = stock.unwrapped, step_limit(stock)
        assert isinstance(base, MujocoFetchEnv) and limit is not None
        super().__init__(base)
        self.stock: Any = base
        self._cached_spec = stock.spec
        self._max_episode_steps = limit
        self._elapsed_steps: int | None = None
        self._low, self._high = base.action_space.low, base.action_space.high
        self._dt = base.n_substeps * base.model.opt.timestep
        self._fields = slices(OBJECT_FIELDS if base.has_object else REACH_FIELDS)
        self._cache_views(base.model, base.data)

    def _cache_views(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Look up all ids and views once: views into MjData stay valid for its lifetime."""
        self._model, self._data, self._qvel = model, data, data.qvel
        joints = [model.joint(name) for name in _FINGERS]
        qpos, dof = int(joints[0].qposadr[0]), int(joints[0].dofadr[0])
        assert int(joints[1].qposadr[0]) == qpos + 1 and int(joints[1].dofadr[0]) == dof + 1
        self._finger_qpos, self._finger_qvel = data.qpos[qpos : qpos + 2], data.qvel[dof : dof + 2]
        welded = model.body("robot0:gripper_link").id
        self._welded_pos, self._welded_quat = data.xpos[welded], data.xquat[welded]
        self._mocap_pos, self._mocap_quat = data.mocap_pos[0], data.mocap_quat[0]
        self._driven = [int(model.jnt_qposadr[model.actuator_trnid[i, 0]]) for i in range(model.nu)]
        self._grip = model.site("robot0:grip").id
        self._grip_pos = data.site_xpos[self._grip]
        self._jac_pos, self._jac_rot = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        if self.stock.has_object:
            self._object = model.site("object0").id
            self._object_pos, self._object_mat = data.site_xpos[self._object], data.site_xmat[self._object]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Stock's reset with the faster observation. `options` are ignored, as in stock."""
        stock = self.stock
        gym.Env.reset(stock, seed=seed)  # seeds np_random
        while not stock._reset_sim():
            pass
        stock.goal = stock._sample_goal()
        self._elapsed_steps = 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """One step of 20 substeps, 0.04 s.

        Args:
            action: (4,), clipped to [-1, 1]: the gripper's displacement (5 cm each axis) and the fingers'.

        Returns:
            As stock: the observation (float64 arrays), the reward (np.float32 sparse, np.float64 dense), False,
            whether the step limit is reached, {"is_success": np.float32}.
        """
        if self._elapsed_steps is None:
            raise gym.error.ResetNeeded("Cannot call step before the first reset")
        if np.shape(action) != (4,):
            raise ValueError(f"Action dimension mismatch: give (4,), not {np.shape(action)}")
        self._act(np.minimum(np.maximum(action, self._low), self._high))
        mujoco.mj_step(self._model, self._data, nstep=self.stock.n_substeps)
        if self.stock.block_gripper:
            self._finger_qpos[:] = 0.0
            mujoco.mj_kinematics(self._model, self._data)
            mujoco.mj_comPos(self._model, self._data)
        observation = self._observe()
        reward, success = self._judge(observation["achieved_goal"])
        self._elapsed_steps += 1
        return observation, reward, False, self._elapsed_steps >= self._max_episode_steps, {"is_success": success}

    def _act(self, action: np.ndarray) -> None:
        """Move the mocap body, to which the gripper is welded, relative to the gripper's pose; aim the fingers."""
        np.add(self._welded_pos, action[:3] * 0.05, out=self._mocap_pos)
        np.add(self._welded_quat, _ROTATION, out=self._mocap_quat)
        qpos = self._data.qpos
        for i, address in enumerate(self._driven):
            self._data.ctrl[i] = qpos[address] + (0.0 if self.stock.block_gripper else float(action[3]))

    def _observe(self) -> Observation:
        """Freshly allocated arrays: observation (25,) or Reach's (10,), achieved_goal (3,), desired_goal (3,)."""
        dt, at = self._dt, self._fields
        observation = np.empty(25 if self.stock.has_object else 10)
        mujoco.mj_jacSite(self._model, self._data, self._jac_pos, None, self._grip)
        grip_velp = self._jac_pos @ self._qvel
        grip_velp *= dt
        observation[at["grip_pos"]] = self._grip_pos
        observation[at["gripper_state"]] = self._finger_qpos
        observation[at["grip_velp"]] = grip_velp
        np.multiply(self._finger_qvel, dt, out=observation[at["gripper_vel"]])
        if self.stock.has_object:
            self._observe_object(observation, grip_velp)
        achieved = (self._object_pos if self.stock.has_object else self._grip_pos).copy()
        return {"observation": observation, "achieved_goal": achieved, "desired_goal": self.stock.goal.copy()}

    def _observe_object(self, observation: np.ndarray, grip_velp: np.ndarray) -> None:
        dt, at = self._dt, self._fields
        mujoco.mj_jacSite(self._model, self._data, self._jac_pos, self._jac_rot, self._object)
        observation[at["object_pos"]] = self._object_pos
        np.subtract(self._object_pos, self._grip_pos, out=observation[at["object_rel_pos"]])
        _euler(self._object_mat, observation[at["object_rot"]])
        object_velp = self._jac_pos @ self._qvel
        object_velp *= dt
        np.subtract(object_velp, grip_velp, out=observation[at["object_velp"]])
        np.multiply(self._jac_rot @ self._qvel, dt, out=observation[at["object_velr"]])

    def _judge(self, achieved: np.ndarray) -> tuple[Any, np.float32]:
        """Reward and success from the distance; math.sqrt rounds as np.linalg.norm does, and sums in its order."""
        stock = self.stock
        x, y, z = (achieved - stock.goal).tolist()
        distance = math.sqrt((x * x + y * y) + z * z)
        success = np.float32(distance < stock.distance_threshold)
        if stock.reward_type != "sparse":
            return np.float64(-distance), success
        return (_MISSED if distance > stock.distance_threshold else _REACHED), success

    def pose(self) -> np.ndarray:
        """Everything that an image depends on: joint positions, mocap pose and goal, (P,) float64."""
        data = self._data
        return np.concatenate([data.qpos, data.mocap_pos.ravel(), data.mocap_quat.ravel(), self.stock.goal])

    def render(self) -> Any:
        """Stock's image; the simulation is restored afterwards."""
        before = mujoco.MjData(self._model)
        mujoco.mj_copyData(before, self._model, self._data)
        site_pos = self._model.site_pos.copy()  # stock moves the goal's
        if self.stock.mujoco_renderer.viewer is not None:  # another GL context may be current in this thread
            self.stock.mujoco_renderer.viewer.make_context_current()
        frame = self.stock.render()
        mujoco.mj_copyData(self._data, self._model, before)
        self._model.site_pos[:] = site_pos
        return frame

    def get_state(self) -> dict[str, Any]:
        """Everything that further steps depend on, as picklable numpy arrays and plain Python.

        Besides MuJoCo's integration state (positions, velocities, warm start, controls, mocap), this includes the body
        poses: the gripper's pose lags the positions by a substep, and the next action starts from this pose.
        """
        physics = np.empty(mujoco.mj_stateSize(self._model, _PHYSICS))
        mujoco.mj_getState(self._model, self._data, physics, _PHYSICS)
        return {
            "physics": physics,
            "xpos": self._data.xpos.copy(),
            "xquat": self._data.xquat.copy(),
            "goal": self.stock.goal.copy(),
            "np_random": self.stock.np_random.bit_generator.state,
            "np_random_seed": self.stock.np_random_seed,
            "elapsed_steps": self._elapsed_steps,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state of `get_state`, taken from an environment of the same id; no reset is needed."""
        stock = self.stock
        if state["physics"].shape != (mujoco.mj_stateSize(self._model, _PHYSICS),):
            raise ValueError("This state belongs to another task: restore it into the id it was taken from.")
        mujoco.mj_setState(self._model, self._data, state["physics"], _PHYSICS)
        mujoco.mj_forward(self._model, self._data)  # something sensible to render; step() reads only what follows
        mujoco.mj_setState(self._model, self._data, state["physics"], _PHYSICS)
        self._data.xpos[:], self._data.xquat[:] = state["xpos"], state["xquat"]
        stock.goal = state["goal"].copy()
        stock.np_random = np.random.Generator(np.random.PCG64())
        stock.np_random.bit_generator.state = state["np_random"]
        stock._np_random_seed = state["np_random_seed"]
        self._elapsed_steps = state["elapsed_steps"]


def _euler(mat: np.ndarray, out: np.ndarray) -> None:
    """`rotations.mat2euler` of a flat (9,) matrix. np.arctan2, not math.atan2: they may differ in the last bit."""
    m00, m01, m02, _, _, m12, _, _, m22 = mat.tolist()
    cy = math.sqrt(m22 * m22 + m12 * m12)
    if cy > _GIMBAL:
        np.negative(np.arctan2((m12, -m02, m01), (m22, cy, m00)), out=out)
    else:
        out[:] = rotations.mat2euler(mat.reshape(3, 3))
