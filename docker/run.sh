#!/bin/sh
# Runs a command in the image, on all GPUs: docker/run.sh python train.py push-pixels
# docker/run.sh tensorboard shows the runs at http://localhost:6006.
#
# The repository is mounted, so runs and caches stay on the host; the image is built when it is not there or when what
# it is made of has changed.
set -eu
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || { echo "usage: docker/run.sh COMMAND [ARGUMENT ...], or docker/run.sh tensorboard" >&2; exit 2; }
command -v docker >/dev/null || { echo "docker/run.sh: docker is needed and is not on the PATH: install it." >&2; exit 2; }

[ "$(id -u)" != 0 ] || { echo "docker/run.sh: the image has no root user: run this as another one." >&2; exit 2; }

tag=pixel-push:$(cat docker/Dockerfile requirements.lock | cksum | cut -d' ' -f1)-$(id -u)-$(id -g)
docker image inspect "$tag" >/dev/null 2>&1 ||
    docker build --build-arg UID="$(id -u)" --build-arg GID="$(id -g)" -t "$tag" -f docker/Dockerfile .

mkdir -p runs .cache
if [ "$1" = tensorboard ]; then
    shift
    set -- tensorboard --logdir runs --host 0.0.0.0 "$@"
    ports="-p 6006:6006"
else
    ports=
fi

terminal=
[ ! -t 0 ] || terminal=-it

# Shared memory for PyTorch and the driver, of which a container gets 64 MiB unless told otherwise. (Frames lie in
# anonymous files, which this does not limit.)
# shellcheck disable=SC2086  # one word a flag
exec docker run --rm $terminal $ports --gpus all --shm-size 8g \
    -e HOME=/pixel-push/.cache -e XDG_CACHE_HOME=/pixel-push/.cache \
    -v "$PWD":/pixel-push "$tag" "$@"
