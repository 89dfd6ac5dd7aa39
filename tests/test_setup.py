"""What `pip install .` puts into one package: a model alone is played with it, beside names that would clash."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.runs import ROOT, tiny

# What a stranger writes; then which modules came from the package, and that the stranger's own `envs` is left alone.
NOTEBOOK = """
import sys, envs, pixel_push
policy = pixel_push.load("model.pt")
env = policy.make_env()
action, state = policy.predict(env.reset(seed=0)[0], deterministic=True)
assert action.shape == (4,) and policy.env_steps == 160 and envs.MINE == 1
assert {"agent", "training", "replay", "goals"}.isdisjoint(sys.modules)
vec = pixel_push.envs.make_vec("FetchReach-v4", 2, workers=1, seed=0)
print(vec.reset(seed=3)[0]["observation"].shape)
vec.close()
"""


def test_an_installed_model_is_played_in_a_few_lines_beside_others_of_the_same_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a worker process; and no import of ours is left that has a short name."""
    monkeypatch.chdir(tmp_path)
    assert tiny("run", "--env-id", "FetchReach-v4", "--total-steps", "160") == 0
    built = tmp_path / "built"
    subprocess.run([sys.executable, "setup.py", "-q", "build_py", "--build-lib", built], cwd=ROOT, check=True)
    ours = {path.name for path in ROOT.iterdir()} - {"pixel_push.py"}
    for file in built.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert ours.isdisjoint(name.split(".")[0] for name in names), file
    (tmp_path / "home").mkdir()
    os.replace("run/model.pt", "home/model.pt")
    Path("home/envs.py").write_text("MINE = 1\n")
    environment = os.environ | {"PYTHONPATH": str(built)}
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], cwd="home", env=environment, capture_output=True, text=True, timeout=600
    )
    assert (done.stdout, done.returncode) == ("(2, 10)\n", 0), done.stderr
