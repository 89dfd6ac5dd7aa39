"""Episodes as an mp4 film."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio
import numpy as np

from envs.failure import reason
from envs.finite import check_finite
from envs.infos import success_of
from envs.registry import GOAL_KEYS, find_spec, make_env
from envs.rendering.cameras import PIXELS, SIZE, CameraConfig
from envs.rendering.captions import GREEN, HEIGHT, WHITE, write
from envs.rendering.frames import rendered
from envs.rendering.gl import RenderError, backend, check_gl
from envs.rendering.renderer import EnvRenderer
from envs.rendering.simulation import simulation

Policy = Callable[[dict[str, np.ndarray], np.ndarray], np.ndarray]
Overlay = Callable[[np.ndarray, bool], np.ndarray]
CAPTIONED = 64  # pixels: captions would cover smaller images
ENLARGED = 3  # factor for the images that the agent sees
FRAMES = 1_000  # at most: an episode of AntMaze has 700, and takes a minute and a half to film

# Nearer than the stock camera (distance 2.5): the block is more than twice as wide.
_FETCH_CAMERA = {"distance": 1.4, "azimuth": 132.0, "elevation": -25.0, "lookat": np.array([1.32, 0.75, 0.5])}


def record(
    env_id: str,
    policy: Policy,
    path: str | os.PathLike[str],
    *,
    episodes: int,
    seed: int,
    view: CameraConfig | None = None,
    overlay: Overlay | None = None,
    size: int = 480,
    frames: int = FRAMES,
    max_episode_steps: int | None = None,
    tell: Callable[[int], object] = int,
) -> list[bool]:
    """Film consecutive episodes and write them to `path` as mp4, whole or not at all, also on SIGTERM.

    Captions name the episode, whether the goal is reached at that moment, and the agent's cameras.

    Args:
        env_id: a goal environment that can render "rgb_array".
        policy: maps observations with a batch axis of 1, and whether their episode has just begun (1,), to actions
            (1, A).
        path: the film's file; its folder is created.
        episodes: number of episodes.
        seed: seed of the first episode; the others follow from it.
        view: cameras of the observation's "pixels", filmed beside the scene; None for a policy without images.
        overlay: makes the image (H, W, 3) beside the scene from the pixels (84, 84, 3 C) and whether they open an
            episode; None enlarges the pixels.
        size: height and width in pixels, for Fetch tasks; other tasks have their own.
        frames: largest number of frames, after which the film ends before all episodes were filmed.
        max_episode_steps: step limit, None for the environment's own.
        tell: called before each image with the number of complete episodes.

    Returns:
        The success of the last step of each episode that was filmed to its end.

    Raises:
        RenderError: if no GL library can be loaded, or the environment renders no images, or fails while it is filmed.
        NotFinite: if an observation has NaN, infinity, or a number beyond float32.
        OSError: if the film cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.stem}.partial.mp4")
    fetch = ":MujocoFetch" in str(find_spec(env_id).entry_point)
    env = _drawable(env_id, size if fetch else None, max_episode_steps)
    try:
        fps = env.metadata.get("render_fps", 25)
        _reset(env, seed)
        rendered(env)  # a rendering error shows before a file is begun
        with _signals_raise():
            partial.touch()  # the system reports a wrong path better than a codec
            with contextlib.closing(_Film(partial, fps, frames)) as film:
                artist = None if view is None else EnvRenderer(env, view)
                cameras = () if view is None else view.cameras
                overlay = overlay or (lambda pixels, opens: enlarged(pixels))
                shot = _Shot(env, artist, cameras, overlay, film, episodes, tell)
                played = [_play(shot, policy, number, None if number else seed) for number in range(episodes)]
                if artist is not None:
                    artist.close()
            _check_whole(partial, film.frames)
            os.replace(partial, target)
    finally:
        env.close()
        partial.unlink(missing_ok=True)
    return [success for success in played if success is not None]


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Raise SystemExit for signals that would end the process at once, so that an unfinished film is removed."""

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    taken = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class _Film:
    """A writer that counts its frames, and writes no more than `most`."""

    def __init__(self, path: Path, fps: float, most: int) -> None:
        self.writer, self.frames, self.most = imageio.get_writer(path, format="FFMPEG", fps=fps), 0, most
        self.shape: tuple[int, ...] | None = None  # of the first frame
        self.close = self.writer.close

    @property
    def full(self) -> bool:
        return self.frames >= self.most

    def append_data(self, image: np.ndarray) -> None:
        if not self.full:
            self.shape = self.shape or image.shape
            if image.shape != self.shape:
                raise RenderError(
                    f"a frame has the shape {image.shape}, and the first one {self.shape}: no film of both."
                )
            self.writer.append_data(image)
            self.frames += 1


def _check_whole(path: Path, frames: int) -> None:
    """Raise OSError unless the film can be played to its end: the codec does not report a full disk."""
    try:
        with imageio.get_reader(path) as reader:
            found = reader.count_frames()  # type: ignore[attr-defined]
    except (OSError, RuntimeError, ValueError, IndexError):
        found = 0
    if found != frames:
        why = errno.ENOSPC if shutil.disk_usage(path.parent).free < 2**20 else errno.EIO
        raise OSError(why, f"{os.strerror(why)}: the film has {found} of {frames} frames")


def _drawable(env_id: str, size: int | None, max_episode_steps: int | None) -> Any:
    """Build the environment, with `size` for a Fetch task. Raises RenderError if that fails or GL is missing."""
    options: dict[str, Any] = {}
    if size is not None:
        check_gl()
        options = {"width": size, "height": size, "default_camera_config": _FETCH_CAMERA}
    with contextlib.suppress(RenderError):
        backend()  # chosen before anything renders; not every environment needs it
    try:
        env = make_env(env_id, render_mode="rgb_array", max_episode_steps=max_episode_steps, **options)
    except ValueError as error:  # a constructor that knows no render_mode, or not this one
        raise RenderError(str(error)) from error
    if size is None and simulation(env) is not None:
        check_gl()  # MuJoCo's own viewer fails in two ways at once
    return env


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, 3 C) -> C images below one another, enlarged by the factor ENLARGED."""
    images = np.concatenate(np.split(pixels, pixels.shape[-1] // 3, axis=-1))
    return images.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


@dataclass(frozen=True)
class _Shot:
    """The scene, the agent's images, and the film."""

    env: Any
    artist: EnvRenderer | None  # renders what the agent sees
    cameras: tuple[str, ...]  # of the agent's images
    overlay: Overlay
    film: _Film
    episodes: int
    tell: Callable[[int], object]

    def take(self, number: int, opens: bool, success: bool) -> None:
        """Film the scene, with the agent's images beside it, padded with black to multiples of 16 pixels, as video
        codecs require."""
        self.tell(number)
        parts = [rendered(self.env).copy()]
        if min(parts[0].shape[:2]) >= CAPTIONED:
            write(parts[0], f"episode {number + 1} of {self.episodes}, overview")
            write(parts[0], *(("success", 0, HEIGHT, GREEN) if success else ("no success", 0, HEIGHT, WHITE)))
        if self.artist is not None:
            seen = self.overlay(self.artist.render(self.env), opens)
            for row, camera in enumerate(self.cameras):
                write(seen, f"agent's camera: {camera}", 0, row * SIZE * ENLARGED)
            parts.append(seen)
        height, width = max(len(part) for part in parts), sum(part.shape[1] for part in parts)
        image = np.zeros((-(-height // 16) * 16, -(-width // 16) * 16, 3), np.uint8)
        left = 0
        for part in parts:
            image[: len(part), left : left + part.shape[1]] = part
            left += part.shape[1]
        self.film.append_data(image)


def _reset(env: Any, seed: int | None) -> dict[str, Any]:
    """First observation of an episode. Raises RenderError for what the environment raises."""
    try:
        return env.reset(seed=seed)[0]
    except Exception as error:
        raise RenderError(f"{env.spec.id} raised {type(error).__name__} in a reset ({reason(error)}).") from error


def _play(shot: _Shot, policy: Policy, number: int, seed: int | None) -> bool | None:
    """Film episode `number`. Returns the success of its last step; None if the film is full before that step."""
    env, success = shot.env, False
    observation = _reset(env, seed)
    spaces = env.observation_space.spaces
    opens, ended = np.ones(1, bool), False
    while not ended:
        if shot.film.full:
            return None
        shot.take(number, bool(opens[0]), success)
        batch = {key: np.asarray(observation[key], spaces[key].dtype)[None] for key in spaces}
        check_finite(env.spec.id, "while it was filmed", {key: batch[key] for key in GOAL_KEYS})
        if shot.artist is not None:
            batch[PIXELS] = shot.artist.render(env)[None]
        action = policy(batch, opens)[0]  # (A,)
        opens = np.zeros(1, bool)
        try:
            observation, _, terminated, truncated, info = env.step(action)
        except Exception as error:
            raise RenderError(f"{env.spec.id} raised {type(error).__name__} in a step ({reason(error)}).") from error
        ended, success = terminated or truncated, bool(success_of(info, 1)[0])
    shot.take(number, False, success)
    return success
