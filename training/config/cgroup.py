"""Memory that this process's control groups allow (versions 2 and 1): its own group and the enclosing ones.

Containers, SLURM jobs and systemd services have groups, one inside another.
"""

from __future__ import annotations

from pathlib import Path

MOUNT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# By version: the tree's folder, the files of limit and usage, and the key in memory.stat of the usage that the kernel
# drops on demand.
FILES = {
    2: ("", "memory.max", "memory.current", "inactive_file"),
    1: ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def free_bytes(mount: Path = MOUNT, own: Path = OWN) -> list[int]:
    """Free bytes in each group with a limit."""
    return [free for version, group in _groups(mount, own) if (free := _free_in(version, group)) is not None]


def _groups(mount: Path, own: Path) -> list[tuple[int, Path]]:
    """The process's groups and all enclosing ones, with their versions. Includes the root of the mounted tree: in a
    container, the path of the process's own group may be the host's."""
    found = [(version, mount / FILES[version][0]) for version in FILES]
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        version = 2 if number == "0" else 1
        if version == 2 or "memory" in controllers.split(","):
            inside = Path(path.lstrip("/"))
            around = [part for part in (inside, *inside.parents) if part != Path(".")]
            found += [(version, mount / FILES[version][0] / part) for part in around]
    return found


def _free_in(version: int, group: Path) -> int | None:
    """Free bytes in a group; None without a limit, or without such a group."""
    _, limit_file, used_file, dropped = FILES[version]
    try:
        limit = (group / limit_file).read_text().strip()
        if limit == "max":
            return None
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(limit) - int((group / used_file).read_text()) + int(counts[dropped])
    except (OSError, ValueError, KeyError):
        return None
