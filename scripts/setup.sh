#!/bin/sh
# Builds .venv from requirements.lock, and checks the two things that come from the system rather than from pip:
# Python's venv module and the GL libraries. What is missing is installed with apt-get when run as root; otherwise the
# one command to run is printed. `make` calls this before everything else, so it is quick when there is nothing to do.
set -eu
cd "$(dirname "$0")/.."

# The lock that .venv was built from: its text once all of it is installed, empty while an installation is under way.
stamp=.venv/requirements.installed

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 2; }

# One set-up at a time: `make train` and `make test` may have been started together.
if command -v flock >/dev/null; then exec 9<scripts/setup.sh; flock 9; fi

if cmp -s requirements.lock "$stamp" && .venv/bin/python -c "" 2>/dev/null; then exit 0; fi

# --- Python, from 3.11 on -------------------------------------------------------------------------------------------

is_new_enough() { "$1" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; }
can_make_venv() { "$1" -c "import venv, ensurepip; ensurepip.version()" 2>/dev/null; }

python=
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_enough "$name"; then python=$name; break; fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed and none is on the PATH: install it, then run make again."

# --- What the system has to bring -----------------------------------------------------------------------------------

# Does what MuJoCo does before it draws: finds OpenGL, and opens an off-screen display on one of EGL's devices.
can_draw() {
    timeout 60 "$python" - 2>/dev/null <<'PYTHON'
import sys
from ctypes import CDLL, CFUNCTYPE, byref, c_int, c_void_p
from ctypes.util import find_library

if not (find_library("OpenGL") or find_library("GL")):
    sys.exit(1)

egl = CDLL("libEGL.so.1")
egl.eglGetProcAddress.restype = c_void_p
egl.eglInitialize.argtypes = [c_void_p, c_void_p, c_void_p]
query_devices = CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)(egl.eglGetProcAddress(b"eglQueryDevicesEXT"))
get_display = CFUNCTYPE(c_void_p, c_int, c_void_p, c_void_p)(egl.eglGetProcAddress(b"eglGetPlatformDisplayEXT"))

EGL_PLATFORM_DEVICE_EXT = 0x313F
devices, count = (c_void_p * 16)(), c_int()
query_devices(16, devices, byref(count))
displays = [get_display(EGL_PLATFORM_DEVICE_EXT, device, None) for device in devices[: count.value]]
sys.exit(not any(egl.eglInitialize(display, None, None) for display in displays))
PYTHON
}

packages=
can_make_venv "$python" || packages="$python-venv"
can_draw || packages="$packages libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0"
packages=${packages# }

if command -v apt-get >/dev/null; then
    advice="Run: sudo apt-get update && sudo apt-get install -y $packages"
else
    advice="Install what Debian calls: $packages"
fi
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $packages"
    apt-get update -q || say "apt-get update failed: trying with the package lists that are here"
    # shellcheck disable=SC2086  # one word a package
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages ||
        say "apt-get could not install $packages"
fi

can_make_venv "$python" || fail "$python cannot make virtual environments. $advice"
can_draw || say "No working GL library: training from state needs none, videos and pixels do. $advice"

# --- The virtual environment ----------------------------------------------------------------------------------------

# An installation that was cut short may have left half a package behind: start again, pip's cache has the downloads.
# A .venv that something else made is completed, if it can be.
if [ -e "$stamp" ] && [ ! -s "$stamp" ] || ! is_new_enough .venv/bin/python || ! .venv/bin/python -m pip -V >/dev/null 2>&1
then
    [ ! -e .venv ] || say "rebuilding .venv, which is incomplete or too old"
    rm -rf .venv
    mkdir .venv
    : >"$stamp"
    "$python" -m venv .venv || fail "$python could not make .venv: see the error above, then run make again."
fi

say "installing requirements.lock into .venv: some minutes, once"
: >"$stamp"
.venv/bin/python -m pip install --disable-pip-version-check -r requirements.lock ||
    fail "not all of requirements.lock could be installed: see the error above, then run make again."
cp requirements.lock "$stamp.new"
mv "$stamp.new" "$stamp"
say "done"
