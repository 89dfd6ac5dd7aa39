"""The GL context that pictures are drawn in: EGL, or OSMesa where there is none. No torch is imported here."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import importlib
import os
from collections.abc import Iterator
from typing import Any

from envs.watchdog import creating

INSTALL = "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0"
LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}  # values of MUJOCO_GL that need no screen


class RenderError(RuntimeError):
    """Nothing can be drawn here: a GL library is missing, or the renderer broke down."""


def backend() -> str:
    """What draws: the environment variable MUJOCO_GL if it is set, else egl, else osmesa.

    Sets MUJOCO_GL, which MuJoCo reads when it is first asked for a context.

    Raises:
        RenderError: if neither library is there.
    """
    if not os.environ.get("MUJOCO_GL"):
        os.environ["MUJOCO_GL"] = _first_there()
    return os.environ["MUJOCO_GL"]


def _first_there() -> str:
    for name in LIBRARIES:
        if _is_there(name):
            return name
    raise RenderError(f"Nothing can be drawn: neither EGL nor OSMesa is there: {INSTALL}")


def _is_there(name: str) -> bool:
    try:
        found = ctypes.util.find_library(LIBRARIES.get(name, ""))
        return bool(found and ctypes.CDLL(found))
    except OSError:
        return False


@contextlib.contextmanager
def importing_mujoco() -> Iterator[None]:
    """To be around the first import of MuJoCo, which fails where MUJOCO_GL names a library that is not there: it is
    missed when something is to be drawn, and not before."""
    name = os.environ.get("MUJOCO_GL", "")
    missing = name not in ("", "glfw") and not _is_there(name)
    if missing:
        del os.environ["MUJOCO_GL"]
    try:
        yield
    finally:
        if missing:
            os.environ["MUJOCO_GL"] = name


def make_context(size: int) -> Any:
    """A current off-screen context in this thread; free it after what was made in it.

    Raises:
        RenderError: with what to install.
    """
    name = backend()
    try:
        with creating():
            context = importlib.import_module(f"mujoco.{name}").GLContext(size, size)
            context.make_current()
        renderer_name()
    except Exception as error:  # ImportError, OSError, AttributeError: every backend fails in its own way
        reason = str(error) or type(error).__name__
        mend = "install OSMesa, or take MUJOCO_GL out of the environment"
        if name != "osmesa":
            mend = f"{INSTALL}; or MUJOCO_GL=osmesa in the environment, where OSMesa is installed"
        raise RenderError(f"Nothing can be drawn with MUJOCO_GL={name} ({reason}): {mend}") from error
    return context


def check_gl() -> None:
    """Raise RenderError, with what to install, unless a context can be made."""
    make_context(1).free()


def renderer_name() -> str:
    """GL_RENDERER of the current context. Raises RuntimeError where there is none, for want of a screen perhaps."""
    from OpenGL import GL

    name = GL.glGetString(GL.GL_RENDERER)
    if name is None:
        raise RuntimeError("it makes no context")
    return name.decode()


def is_software(renderer: str) -> bool:
    """Whether a GL_RENDERER draws on the CPU."""
    return any(name in renderer.lower() for name in ("llvmpipe", "softpipe", "swrast", "software", "osmesa"))
