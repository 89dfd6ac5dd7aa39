"""What `pip install .` does: all that acts and learns, inside one package, `pixel_push`.

In the repository the folders import each other by their short names, which are easy to read and which other projects
have too (`envs`, `agent`). Installed, they are `pixel_push.envs`, `pixel_push.agent` and so on: their lines that import
one another get that name, and nobody else's module is hidden.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGE = "pixel_push"
FOLDERS = ("agent", "auxiliary", "encoders", "envs", "goals", "replay", "training")
IMPORT_FROM = re.compile(rf"^(\s*)from ({'|'.join(FOLDERS)})(?=[. ])", re.MULTILINE)
IMPORT = re.compile(rf"^(\s*)import ({'|'.join(FOLDERS)})$", re.MULTILINE)


def inside_package(source: str) -> str:
    """The source of a module with the names that its imports have inside the package."""
    return IMPORT.sub(rf"\1from {PACKAGE} import \2", IMPORT_FROM.sub(rf"\1from {PACKAGE}.\2", source))


class Build(build_py):
    """Copies the folders into the package."""

    def run(self) -> None:
        package = Path(self.build_lib, PACKAGE)
        shutil.rmtree(package, ignore_errors=True)  # of a build before
        sources = {Path(f"{PACKAGE}.py"): package / "__init__.py"}
        sources |= {file: package / file for folder in FOLDERS for file in Path(folder).rglob("*.py")}
        for source, target in sources.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(inside_package(source.read_text("utf-8")), "utf-8")


setup(py_modules=[PACKAGE], cmdclass={"build_py": Build})
