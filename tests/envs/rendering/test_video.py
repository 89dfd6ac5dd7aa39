"""Films: whole or not at all, and a clear word where nothing can be rendered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio
import numpy as np
import pytest

import envs
from envs.rendering import captions, video
from tests.envs.odd import Tidy
from tests.envs.unruly import same

ROOT = Path(__file__).parents[3]


def still(observation: dict[str, np.ndarray], opens: np.ndarray) -> np.ndarray:
    assert observation["observation"].shape[0] == 1
    return np.zeros((1, 4), np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bool]]:
    path = tmp_path_factory.mktemp("film") / "new folder" / "reach.mp4"
    return path, envs.record("FetchReach-v4", still, path, episodes=2, seed=0, size=96)


def test_film_holds_every_frame(film: tuple[Path, list[bool]]) -> None:
    path, successes = film
    frames = [frame for frame in imageio.get_reader(path)]  # type: ignore[attr-defined]
    assert len(frames) == 2 * 51 and frames[0].shape == (96, 96, 3)
    assert frames[0].std() > 10
    assert successes == [False, False]
    assert os.listdir(path.parent) == ["reach.mp4"]


def test_each_image_says_its_episode_and_whether_the_goal_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the environment's own info says it, one step before; and each of the agent's cameras has its name."""
    written: list[str] = []
    taken: list[bool] = []

    def write(image: np.ndarray, text: str, *_: Any) -> None:
        written.append(text)

    def far_and_near(observation: dict[str, np.ndarray], opens: np.ndarray) -> np.ndarray:
        away = observation["desired_goal"] - observation["achieved_goal"]  # (1, 3)
        taken.append(not opens[0] and float(np.linalg.norm(away)) < 0.05)
        return np.append(np.clip(10 * away, -1, 1), [[0.0]], axis=1)

    monkeypatch.setattr(video, "write", write)
    told: list[int] = []
    view = envs.CameraConfig(("close", "side"))
    envs.record(
        "FetchReach-v4", far_and_near, tmp_path / "a.mp4", episodes=2, seed=0, view=view, size=96, tell=told.append
    )
    assert written[::4] == ["episode 1 of 2, overview"] * 51 + ["episode 2 of 2, overview"] * 51
    assert written[2:4] == ["agent's camera: close", "agent's camera: side"] and told == [0] * 51 + [1] * 51
    said = [text == "success" for text in written[1::4]]
    assert said[:50] + said[51:101] == taken and said[50] and said[101] and not taken[0] and sum(taken) > 50


def test_a_text_is_written_where_it_belongs_and_cut_off_at_the_edge() -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    captions.write(image, "success", left=5, top=3)
    changed = (image != 90).any(-1)
    assert not changed[:3].any() and not changed[:, :5].any() and changed[3 : 3 + captions.HEIGHT, 5:].all()
    assert image.max() > 230 and (image == 30).all(-1).any()  # white on a third of what was there
    captions.write(image, "far beyond", left=58, top=39)


def test_a_failing_policy_leaves_no_film(tmp_path: Path) -> None:
    def fail(observation: dict[str, np.ndarray], opens: np.ndarray) -> np.ndarray:
        raise KeyError("policy")

    with pytest.raises(KeyError):
        envs.record("FetchReach-v4", fail, tmp_path / "film.mp4", episodes=1, seed=0, size=96)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("left", [0, 500], ids=["nothing", "no trailer"])
def test_a_film_that_was_cut_off_is_not_taken_for_one(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a full disk leaves it, of which the codec says nothing; the film that was there stays."""
    get_writer = imageio.get_writer

    def cut_off(path: Path, **options: Any) -> Any:
        writer = get_writer(path, **options)
        close = writer.close

        def close_and_cut() -> None:
            close()
            os.truncate(path, left)

        monkeypatch.setattr(writer, "close", close_and_cut)
        return writer

    (tmp_path / "film.mp4").write_bytes(b"the old one")
    monkeypatch.setattr(imageio, "get_writer", cut_off)
    with pytest.raises(OSError, match="the film has 0 of 51 frames"):
        envs.record("FetchReach-v4", lambda *_: np.zeros((1, 4)), tmp_path / "film.mp4", episodes=1, seed=0, size=96)
    assert os.listdir(tmp_path) == ["film.mp4"] and (tmp_path / "film.mp4").read_bytes() == b"the old one"


class Screen(Tidy):
    """Renders what it is told to: an array, an error to raise, or nothing."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012 (gymnasium's declaration)
    shows: Any = None

    def render(self) -> Any:
        if isinstance(self.shows, Exception):
            raise self.shows
        return self.shows


class Growing(Screen):
    def render(self) -> Any:
        return np.zeros((32 + 32 * self.steps, 48, 3), np.uint8)


class Unready(Screen):
    def reset(self, **_: Any) -> Any:
        raise ArithmeticError("not yet")


class Listed(Screen):
    """Returns lists, and more than its space says."""

    def observe(self) -> dict[str, Any]:
        return {key: value.tolist() for key, value in super().observe().items()} | {"time": self.steps}


for kind in (Screen, Tidy, Growing, Unready, Listed):
    gym.register(f"Filmed{kind.__name__}-v0", f"{__name__}:{kind.__name__}", max_episode_steps=3)

RED = np.tile(np.array([200, 0, 40], np.uint8), (32, 48, 1))
FRAMES = {
    "bytes": (RED, RED[0, 0]),
    "opacity": (np.concatenate([RED, RED[..., :1]], -1), RED[0, 0]),
    "floats up to 1": (RED / 255, RED[0, 0]),
    "floats beyond": (RED.astype(np.float32), RED[0, 0]),
    "grey": (RED[..., 0], [200] * 3),
    "grey with an axis": (RED[..., :1], [200] * 3),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_all_kinds_are_filmed_as_they_look(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows, colour = FRAMES[name]
    monkeypatch.setattr(Screen, "shows", shows)
    envs.record("FilmedScreen-v0", lambda *_: np.zeros((1, 2)), tmp_path / "film.mp4", episodes=1, seed=0)
    frames = [frame for frame in imageio.get_reader(tmp_path / "film.mp4")]  # type: ignore[attr-defined]
    assert len(frames) == 4
    assert np.abs(frames[0][8:24, 8:40].reshape(-1, 3).mean(0) - colour).max() < 8  # the codec is not exact


@pytest.mark.parametrize(
    ("env_id", "shows", "said"),
    [
        ("FilmedScreen-v0", ArithmeticError("no paint\nleft"), r"its render\(\) raised ArithmeticError \(no paint\)\."),
        ("FilmedScreen-v0", np.zeros((4, 5, 2)), r"returned float64 of shape \(4, 5, 2\), not \(height, width, 3\)"),
        ("FilmedScreen-v0", np.zeros((0, 5, 3)), r"returned float64 of shape \(0, 5, 3\), not"),
        ("FilmedScreen-v0", None, r"its render\(\) returned NoneType, not"),
        ("FilmedTidy-v0", None, r"its render\(\) raised NotImplementedError\."),
    ],
)
def test_what_is_no_image_is_said_without_advice_on_gl(
    env_id: str, shows: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Screen, "shows", shows)
    with pytest.raises(envs.RenderError, match=f"^{env_id} renders no images: .*{said}") as caught:
        envs.record(env_id, lambda *_: np.zeros((1, 2)), tmp_path / "film.mp4", episodes=1, seed=0)
    assert "\n" not in str(caught.value) and "apt-get" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("env_id", "said"),
    [
        ("FilmedGrowing-v0", r"a frame has the shape \(64, 48, 3\), and the first one \(32, 48, 3\)"),
        ("FilmedUnready-v0", r"FilmedUnready-v0 raised ArithmeticError in a reset \(not yet\)\."),
    ],
)
def test_what_cannot_be_filmed_to_its_end_is_one_sentence(
    env_id: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Screen, "shows", RED)
    with pytest.raises(envs.RenderError, match=said):
        envs.record(env_id, lambda *_: np.zeros((1, 2)), tmp_path / "film.mp4", episodes=1, seed=0)
    assert os.listdir(tmp_path) == []


def test_a_policy_is_shown_what_the_space_says_in_its_dtype(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Screen, "shows", RED)
    seen: list[dict[str, np.ndarray]] = []

    def policy(observation: dict[str, np.ndarray], opens: np.ndarray) -> np.ndarray:
        seen.append(observation)
        return np.zeros((1, 2))

    envs.record("FilmedListed-v0", policy, tmp_path / "film.mp4", episodes=1, seed=0)
    assert len(seen) == 3 and set(seen[0]) == {"observation", "achieved_goal", "desired_goal"}
    assert all(part.dtype == np.float64 and part.shape == (1, 2) for part in seen[-1].values())


def test_a_film_ends_after_so_many_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Screen, "shows", RED)
    played = envs.record(
        "FilmedScreen-v0", lambda *_: np.zeros((1, 2)), tmp_path / "film.mp4", episodes=9, seed=0, frames=6
    )
    assert played == [False]
    with imageio.get_reader(tmp_path / "film.mp4") as reader:
        assert reader.count_frames() == 6  # type: ignore[attr-defined]


def test_sigterm_leaves_no_film(tmp_path: Path) -> None:
    code = (
        "import os, signal, numpy, envs\n"
        "def act(*_): os.kill(os.getpid(), signal.SIGTERM); return numpy.zeros((1, 4))\n"
        "envs.record('FetchReach-v4', act, 'film.mp4', episodes=1, seed=0, size=96)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 143 and os.listdir(tmp_path) == []


def test_mjr_context_leaves_the_simulation_alone() -> None:
    """Stock's render would move PickAndPlace by millimetres."""
    rendered, plain = (envs.make_env("FetchPickAndPlace-v4", render_mode=mode) for mode in ("rgb_array", None))
    assert same(rendered.reset(seed=0), plain.reset(seed=0))
    for action in np.random.default_rng(0).uniform(-1, 1, (8, 4)).astype(np.float32):
        rendered.render()
        assert same(rendered.step(action), plain.step(action))
    rendered.close()


def test_without_gl_the_mend_is_named(tmp_path: Path) -> None:
    code = (
        "import sys, numpy, envs\n"
        "try: envs.record('FetchReach-v4', lambda o, opens: numpy.zeros((1, 4)), 'film.mp4', episodes=1, seed=0)\n"
        "except envs.RenderError as error: print(error)\n"
    )
    environment = {**os.environ, "MUJOCO_GL": "glfw", "DISPLAY": "", "WAYLAND_DISPLAY": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert "Nothing can be rendered with MUJOCO_GL=glfw" in done.stdout
    assert "take MUJOCO_GL out of the environment" in done.stdout
    assert done.stdout.count("\n") == 1
    assert os.listdir(tmp_path) == []
