"""The GL context that images are rendered in: EGL, or OSMesa where there is none. No torch is imported here."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import os
from typing import Any

from envs.rendering.watchdog import creating

INSTALL = "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0"


class RenderError(RuntimeError):
    """Nothing can be rendered here: a GL library is missing, or the renderer broke down."""


def backend() -> str:
    """Name of the GL backend: the environment variable MUJOCO_GL if it is set, else egl, else osmesa.

    Sets MUJOCO_GL, which stock's viewer reads at its first image.

    Raises:
        RenderError: if neither library is there.
    """
    name = os.environ.get("MUJOCO_GL", "").strip().lower() or _first_there()
    os.environ["MUJOCO_GL"] = name
    return name


def _first_there() -> str:
    for name, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        try:
            found = ctypes.util.find_library(library)
            if found and ctypes.CDLL(found):
                return name
        except OSError:
            continue
    raise RenderError(f"Nothing can be rendered: neither EGL nor OSMesa is there: {INSTALL}")


def import_mujoco() -> None:
    """Import MuJoCo before anything else does, also where the library that MUJOCO_GL names is missing.

    Without that library the import fails, and is repeated with rendering disabled: a missing library is then reported
    only when something is rendered.
    """
    given = os.environ.get("MUJOCO_GL")
    try:
        importlib.import_module("mujoco")
    except Exception:  # AttributeError, RuntimeError, ArgumentError: each missing library raises its own
        if given is None:
            raise
        os.environ["MUJOCO_GL"] = "disable"
        try:
            importlib.import_module("mujoco")
        finally:
            os.environ["MUJOCO_GL"] = given


def make_context(size: int) -> Any:
    """Make an off-screen context and make it current in this thread; free it after everything created in it.

    Raises:
        RenderError: with instructions what to install.
    """
    name = backend()
    try:
        with creating():
            context = importlib.import_module(f"mujoco.{name}").GLContext(size, size)
            context.make_current()
        renderer_name()
    except Exception as error:  # ImportError, OSError, AttributeError: every backend fails in its own way
        reason = str(error) or type(error).__name__
        mend = "take MUJOCO_GL out of the environment"
        if name == "egl":
            mend = f"{INSTALL}; or MUJOCO_GL=osmesa in the environment, where OSMesa is installed"
        raise RenderError(f"Nothing can be rendered with MUJOCO_GL={name} ({reason}): {mend}") from error
    return context


def check_gl() -> None:
    """Raise RenderError, with instructions what to install, unless a context can be made."""
    make_context(1).free()


def renderer_name() -> str:
    """GL_RENDERER of the current context. Raises RuntimeError if there is none, for example without a screen."""
    from OpenGL import GL

    name = GL.glGetString(GL.GL_RENDERER)
    if name is None:
        raise RuntimeError("it makes no context")
    return name.decode()


def is_software(renderer: str) -> bool:
    """Whether a GL_RENDERER renders on the CPU."""
    return any(name in renderer.lower() for name in ("llvmpipe", "softpipe", "swrast", "software", "osmesa"))
