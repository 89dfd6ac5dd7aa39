"""Pixels of environments other than Fetch's: whose images, what is hidden, and that nothing else changes."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer
from PIL import Image

import envs
from envs.rendering.renderer import EnvRenderer
from tests.envs.odd import Tidy

ROOT = Path(__file__).parents[3]
ABOVE = "1.5,90,-60,0.1,0,0.2"


@pytest.fixture(autouse=True, scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The environment of docs/extending.md, registered as Arm-v0."""
    folder = tmp_path_factory.mktemp("arm")
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)[0]
    (folder / "arm.py").write_text(code)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("arm")
    sys.path.remove(str(folder))


class Painter(Tidy):
    """Renders itself: a column that says where it is. On request, rendering moves it."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gymnasium's declaration)

    def __init__(self, render_mode: str | None = None, moves: bool = False, light: int = 255) -> None:
        super().__init__()
        self.render_mode, self.moves, self.light = render_mode, moves, light

    def render(self) -> Any:
        if self.render_mode is None:
            return None
        self.at = self.at + 1e-9 * self.moves
        image = np.zeros((42, 168, 4), np.uint8)
        image[:, int(80 + 20 * self.at[0]) :] = self.light
        return image


TENDON = """<mujoco><worldbody><light pos="0 0 3"/><geom type="plane" size="1 1 .1" rgba=".3 .3 .3 1"/>
  <camera name="above" pos="0 0 1.5"/><site name="from" pos="-.4 0 .2"/>
  <body name="box" pos=".3 0 .2"><joint name="slide" type="slide" axis="0 1 0"/>
    <geom name="block" type="box" size=".08 .08 .08" rgba="1 .5 0 1"/><site name="to"/></body></worldbody>
  <tendon><spatial width=".05" rgba="0 1 0 1"><site site="from"/><site site="to"/></spatial></tendon></mujoco>"""


class Tied(Tidy):
    """A block that slides, tied to a site by a tendon. On request, it has another size or place in each episode."""

    def __init__(self, varies: str | None = None) -> None:
        super().__init__()
        self.model = mujoco.MjModel.from_xml_string(TENDON)
        self.data, self.varies = mujoco.MjData(self.model), varies

    def reset(self, **options: Any) -> Any:
        told = super().reset(**options)
        self.data.qpos[:] = self.np_random.uniform(-0.4, 0.4)
        if self.varies == "size":
            self.model.geom("block").size[:] = self.np_random.uniform(0.05, 0.1)
        if self.varies == "place":
            self.model.body("box").pos[0] = self.np_random.uniform(-0.3, 0.3)
        mujoco.mj_forward(self.model, self.data)
        return told


gym.register("Tied-v0", f"{__name__}:Tied", max_episode_steps=6)
gym.register("Resized-v0", f"{__name__}:Tied", max_episode_steps=6, kwargs={"varies": "size"})
gym.register("Displaced-v0", f"{__name__}:Tied", max_episode_steps=6, kwargs={"varies": "place"})
gym.register("Painter-v0", f"{__name__}:Painter", max_episode_steps=6)
gym.register("Dark-v0", f"{__name__}:Painter", max_episode_steps=6, kwargs={"light": 0})
gym.register("Moving-v0", f"{__name__}:Painter", max_episode_steps=6, kwargs={"moves": True})

EVERYWHERE = {  # and the package that it needs
    "PointMaze_UMaze-v3": "gymnasium_robotics",
    "AntMaze_UMaze-v5": "gymnasium_robotics",
    "HandReach-v3": "gymnasium_robotics",
    "Arm-v0": "mujoco",
    "Painter-v0": "gymnasium",
    "panda_gym:PandaPush-v3": "panda_gym",
    "highway_env:parking-v0": "highway_env",
}


@pytest.mark.parametrize("env_id", EVERYWHERE)
def test_rendering_changes_nothing(env_id: str) -> None:
    """Every number of 25 steps with images and without, autoresets among them, bit for bit."""
    pytest.importorskip(EVERYWHERE[env_id], reason=f"{EVERYWHERE[env_id]} is not installed: it is optional")
    limit = 30 if "panda" in env_id else 10  # panda-gym resets at random, whatever it was seeded with, but once
    made = [
        envs.make_vec(env_id, 2, view=view, workers=0, seed=0, max_episode_steps=limit)
        for view in (envs.CameraConfig(), None)
    ]
    seen, expected = (vec.reset()[0] for vec in made)
    space: Any = made[1].action_space
    rng, images = np.random.default_rng(0), []
    for _ in range(25):
        assert all(np.array_equal(seen[key], expected[key]) for key in expected)
        images.append(seen[envs.PIXELS].copy())
        actions = rng.uniform(space.low, space.high).astype(space.dtype)
        (seen, *outcome, _), (expected, *wanted, _) = (vec.step(actions) for vec in made)
        assert all(np.array_equal(one, other) for one, other in zip(outcome, wanted, strict=True))
    assert images[0].shape == (2, 84, 84, 3) and not np.array_equal(images[0], images[-1])
    for vec in made:
        vec.close()


@pytest.mark.parametrize(
    ("env_id", "camera"), [("Arm-v0", "above"), ("Arm-v0", ABOVE), ("Arm-v0", "default"), ("Tied-v0", "above")]
)
def test_images_are_those_of_gymnasiums_renderer(env_id: str, camera: str) -> None:
    """Bit for bit, without smooth edges and shadows; the pose is not the one that the renderer was made in."""
    env = envs.make_env(env_id)
    env.reset(seed=1)
    artist = EnvRenderer(env, envs.CameraConfig((camera,)))
    env.reset(seed=3)
    ours = artist.render(env)
    artist.close()
    model, data = env.unwrapped.model, env.unwrapped.data  # type: ignore[attr-defined]
    model.vis.quality.offsamples, model.light_castshadow[:] = 0, False
    free = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, free)
    settings = {name: getattr(free, name) for name in ("distance", "azimuth", "elevation", "lookat")}
    if camera == ABOVE:
        settings = {"distance": 1.5, "azimuth": 90, "elevation": -60, "lookat": np.array([0.1, 0, 0.2])}
    own = {"camera_name": "above"} if camera == "above" else {"camera_id": -1}
    theirs = MujocoRenderer(model, data, settings, width=84, height=84, **own)
    assert np.array_equal(ours, theirs.render("rgb_array")) and np.ptp(ours) > 100
    theirs.close()


@pytest.mark.parametrize("name", ["target", None])
def test_what_is_hidden_shows_the_goal_no_more(name: str | None) -> None:
    env: Any = envs.make_env("Arm-v0")
    artist = EnvRenderer(env, envs.CameraConfig(("above",), hide=(name,) if name else ()))
    images = []
    for goal in ((0.1, 0.3), (-0.2, -0.3)):
        env.reset(seed=0)
        env.unwrapped.model.site("target").pos[:2] = goal
        images.append(artist.render(env))
    assert np.array_equal(images[0], images[1]) == (name is not None)
    artist.close()


def test_an_environment_s_own_image_is_resized() -> None:
    env = envs.make_seen("Painter-v0", envs.CameraConfig())
    env.reset(seed=0)
    expected = Image.fromarray(env.render()[..., :3]).resize((84, 84), Image.Resampling.BILINEAR)  # type: ignore
    assert np.array_equal(EnvRenderer(env, envs.CameraConfig()).render(env), np.asarray(expected))


@pytest.mark.parametrize(
    ("env_id", "view", "said"),
    [
        ("Arm-v0", {"cameras": ("close",)}, "no camera 'close': choose among default, above, or give the six numbers"),
        ("Arm-v0", {"cameras": ("1,2,3",)}, "a free one has six numbers"),
        ("Arm-v0", {"cameras": ("0,0,0,0,0,0",)}, "its distance above 0"),
        ("Resized-v0", {"cameras": ("above",)}, "changes its model's geom_size from one episode to the next"),
        ("Displaced-v0", {"cameras": ("above",)}, "changes its model's body_pos from one episode to the next"),
        ("Arm-v0", {"hide": ("targets",)}, "no site, geom or body 'targets' to hide; the sites are target, tip"),
        ("Painter-v0", {"cameras": ("above",)}, "own render.* say --cameras default"),
        ("Painter-v0", {"hide": ("target",)}, "own render.* leave out --hide"),
        ("Moving-v0", {}, "does something else when it is rendered: train it from state"),
        ("Dark-v0", {}, "renders images of one colour: see why, or train it from state"),
        ("Tidy-v0", {}, r"its render\(\) raised NotImplementedError. Without images begin with a preset from state"),
    ],
)
def test_what_cannot_be_rendered_is_said(env_id: str, view: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        envs.make_vec(env_id, 1, workers=0, view=envs.CameraConfig(**view))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_stack_of_images_for_any_library() -> None:
    """The newest last, and before an episode's first image that one."""
    view = envs.CameraConfig()
    env = envs.PixelObservation(envs.make_seen("Painter-v0", view), view, frame_stack=3, keep=("desired_goal",))
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation) and set(observation) == {"desired_goal", envs.PIXELS}
    shown = [observation[envs.PIXELS][..., :3]] * 3
    for _ in range(4):
        observation = env.step(np.array([0.3, 0.0], np.float32))[0]
        shown.append(observation[envs.PIXELS][..., -3:])
        assert np.array_equal(observation[envs.PIXELS], np.concatenate(shown[-3:], axis=-1))
    assert not np.array_equal(shown[-1], shown[-2])
    env.close()
