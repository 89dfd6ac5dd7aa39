"""Whether this working tree learns what another commit does, bit for bit: `python scripts/same_numbers.py COMMIT`.

Both run the first steps of `push`, `push-pixels` and, with two workers, `push-pixels-chapter` (one thread, seed 0) with
the packages installed here. Every column of metrics.csv is compared as text, clocks aside. Exit code 1 if a number
differs, or if a column or row of the commit's is missing here. Columns that only this tree has are named.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1]
STEPS = {"push": 3000, "push-pixels": 2500, "push-pixels-chapter": 1500}
WORKERS = {"push-pixels-chapter": 2}  # its environments are in processes of their own
FLAGS = ("--seed", "0", "--threads", "1", "--no-video", "--buffer-size", "4000", "--log-every", "500",
         "--eval-every", "1250", "--eval-episodes", "8", "--final-episodes", "2")  # fmt: skip
CLOCKS = ("seconds", "steps_per_second", "updates_per_second", "time_frac_", "share_")


def rows_in(run: Path) -> list[dict[str, str]]:
    """Rows of a run's metrics.csv, as text."""
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def rows_of(tree: Path, preset: str, run: Path) -> list[dict[str, str]]:
    """Rows of metrics.csv of a run of the code in `tree`."""
    own = ("--total-steps", str(STEPS[preset]), "--workers", str(WORKERS.get(preset, 0)), "--run-dir", str(run))
    command = [sys.executable, "train.py", preset, *own, *FLAGS]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return rows_in(run)


def differences(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> list[str]:
    """Differing numbers, a line each."""
    columns, others = ([name for name in rows[0] if not name.startswith(CLOCKS)] for rows in (ours, theirs))
    if (missing := set(others) - set(columns)) or len(ours) != len(theirs):
        return [f"here {len(ours)} rows, there {len(theirs)}; missing here: {', '.join(sorted(missing)) or 'nothing'}"]
    if new := [name for name in columns if name not in others]:
        print(f"not compared, for only this tree has them: {', '.join(new)}")
    return [
        f"step {mine['step']}: {name} is {mine[name]} here and {other[name]} there"
        for mine, other in zip(ours, theirs, strict=True)
        for name in others
        if mine[name] != other[name]
    ]


def main(commit: str) -> int:
    found: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder, tree = Path(name), Path(name) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), commit], cwd=HERE, check=True)
        try:
            for preset in STEPS:
                ours = rows_of(HERE, preset, folder / f"{preset}-here")
                theirs = rows_of(tree, preset, folder / f"{preset}-there")
                found += differences(ours, theirs)
                print(f"{preset}: {STEPS[preset]} steps, {len(ours)} rows compared", flush=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=HERE, check=True)
    print("\n".join(found) or "the same numbers, bit for bit")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"give one commit. {__doc__}")
    sys.exit(main(sys.argv[1]))
