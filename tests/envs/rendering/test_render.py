"""Images against stock's own, and that rendering them changes nothing."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import envs
from envs.rendering import renderer as render
from envs.rendering.cameras import CAMERAS
from envs.rendering.gl import is_software
from envs.rendering.renderer import EnvRenderer

TASKS = ["FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4"]


def played(env: Any, steps: int = 9) -> Any:
    env.reset(seed=3)
    for action in np.random.default_rng(3).uniform(-1, 1, (steps, 4)).astype(np.float32):
        env.step(action)
    return env


def rendered(env: Any, **options: Any) -> np.ndarray:
    artist = EnvRenderer(env, envs.CameraConfig(**options))
    image = artist.render(env)
    artist.close()
    return image


@pytest.mark.parametrize("env_id", TASKS)
def test_as_stock_renders_it_but_for_what_is_hidden(env_id: str) -> None:
    """Stock's default image, marker and smooth edges included, bit for bit: the hidden covers show in none."""
    stock: Any = gym.make(env_id, render_mode="rgb_array", width=84, height=84)
    played(stock)
    ours = played(envs.make_env(env_id))
    image = rendered(ours, goal_marker=True, msaa=True)
    assert np.array_equal(image, stock.render())
    assert np.ptp(image) > 100
    stock.close()


@pytest.mark.parametrize("camera", list(CAMERAS))
def test_hidden_covers_show_from_no_camera(camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = played(envs.make_env("FetchPush-v4"))
    hidden = rendered(env, cameras=(camera,))
    monkeypatch.setattr(render, "HIDDEN_BODIES", ())
    assert np.array_equal(rendered(env, cameras=(camera,)), hidden)


def test_the_chapters_way_is_stocks_large_image_resized_by_pil() -> None:
    stock: Any = gym.make("FetchPush-v4", render_mode="rgb_array")  # 480 x 480
    played(stock)
    expected = Image.fromarray(stock.render()).resize((84, 84), Image.Resampling.BILINEAR)
    image = rendered(played(envs.make_env("FetchPush-v4")), render_size=480, goal_marker=True, msaa=True)
    assert np.array_equal(image, np.asarray(expected))
    stock.close()


def test_the_marker_is_all_that_shows_the_goal() -> None:
    """Two goals, one scene: without the marker not a pixel tells them apart."""
    env = played(envs.make_env("FetchPush-v4"))
    with_marker, without = rendered(env, cameras=("close",), goal_marker=True), rendered(env, cameras=("close",))
    env.stock.goal = env.stock.goal + np.array([0.1, -0.1, 0.0])
    assert not np.array_equal(rendered(env, cameras=("close",), goal_marker=True), with_marker)
    assert np.array_equal(rendered(env, cameras=("close",)), without)


def test_cameras_are_stacked_as_channels_and_tiles_change_nothing() -> None:
    env = played(envs.make_env("FetchPush-v4"))
    one_by_one = [rendered(env, cameras=(name,)) for name in ("close", "mirror")]
    assert np.array_equal(rendered(env, cameras=("close", "mirror")), np.concatenate(one_by_one, axis=-1))
    poses = []
    for _ in range(5):
        env.step(np.array([0.5, 0.5, -0.5, 0.0], np.float32))
        poses.append(env.pose())
    images = []
    for tiles in (1, 4):
        renderer = render.Renderer(env.stock.model, envs.CameraConfig(("close", "mirror")), tiles)
        out = np.zeros((5, 84, 84, 6), np.uint8)
        renderer.render(np.array(poses), out)
        renderer.close()
        images.append(out)
    assert np.abs(images[0].astype(int) - images[1]).max() <= 2  # rounding depends on the place in the buffer
    assert not np.array_equal(images[0][0], images[0][4])


def test_mjr_context_does_not_move_pick_and_place() -> None:
    """Stock's render moves it by millimetres. Every number of 60 steps, an autoreset among them, bit for bit."""
    with_images, without = (
        envs.make_vec("FetchPickAndPlace-v4", 2, view=view, workers=0, seed=0)
        for view in (envs.CameraConfig(("close",)), None)
    )
    seen, expected = with_images.reset()[0], without.reset()[0]
    for action in np.random.default_rng(0).uniform(-1, 1, (60, 2, 4)).astype(np.float32):
        assert all(np.array_equal(seen[key], expected[key]) for key in expected)
        (seen, *outcome, _infos), (expected, *wanted, _) = with_images.step(action), without.step(action)
        assert all(np.array_equal(one, other) for one, other in zip(outcome, wanted, strict=True))
    assert seen[envs.PIXELS].shape == (2, 84, 84, 3) and seen[envs.PIXELS].dtype == np.uint8
    with_images.close()
    without.close()


@pytest.mark.parametrize(("workers", "one_process"), [(0, False), (2, False), (0, True), (2, True)])
def test_a_vectors_images_are_of_its_own_environments(workers: int, one_process: bool) -> None:
    """Through shared memory, at a reset, at steps, and of the last observation of an episode."""
    view = envs.CameraConfig(("close",), one_process=one_process)
    vector = envs.make_vec("FetchPush-v4", 3, view=view, workers=workers, seed=5)
    single = envs.make_env("FetchPush-v4")
    artist = EnvRenderer(single, view)
    seen, _ = vector.reset()
    single.reset(seed=5 + 2)
    for step in range(51):
        difference = np.abs(seen[envs.PIXELS][2].astype(int) - artist.render(single)).max()
        assert difference <= (2 if one_process else 0), step  # tiles are rounded by their place in the buffer
        action = np.full((3, 4), 0.3 if step < 20 else -0.3, np.float32)
        seen, _, _, ended, infos = vector.step(action)
        single.step(action[2])
        if ended[2]:
            last = infos["final_obs"][2][envs.PIXELS].astype(int)
            assert np.abs(last - artist.render(single)).max() <= (2 if one_process else 0)
            single.reset()
    assert vector.gl_renderer()
    artist.close()
    vector.close()


def test_renderers_of_one_thread_do_not_disturb_each_other() -> None:
    env = played(envs.make_env("FetchPush-v4", render_mode="rgb_array"))
    scene = env.render()
    first, second = EnvRenderer(env, envs.CameraConfig(("close",))), EnvRenderer(env, envs.CameraConfig(("side",)))
    before = first.render(env)
    second.render(env)
    assert np.array_equal(env.render(), scene)
    second.close()
    assert np.array_equal(first.render(env), before)
    first.close()
    env.close()


def test_software_is_told_from_a_gpu() -> None:
    assert is_software("llvmpipe (LLVM 19.1.7, 256 bits)") and is_software("softpipe")
    assert not is_software("NVIDIA H200/PCIe/SSE2")


@pytest.mark.parametrize("one_process", [False, True])
def test_a_reset_of_some_leaves_the_images_of_the_others(one_process: bool) -> None:
    vector = envs.make_vec(
        "FetchPush-v4", 2, view=envs.CameraConfig(("close",), one_process=one_process), workers=0, seed=0
    )
    vector.reset()
    for _ in range(4):  # the hand goes down
        observation, *_ = vector.step(np.tile(np.array([0, 0, -1, 0], np.float32), (2, 1)))
    before = {name: array.copy() for name, array in observation.items()}
    after, _ = vector.reset(options={"reset_mask": np.array([True, False])})
    for name in before:
        assert np.array_equal(after[name][1], before[name][1]), name
        assert not np.array_equal(after[name][0], before[name][0]), name
    vector.close()
