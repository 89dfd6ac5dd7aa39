"""What a command prints as JSON is all that standard output has, whoever else writes to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import ctypes, json
from training.output import standard_output_to_error
with standard_output_to_error():
    print("of Python")
    ctypes.CDLL(None).printf(b"of a C library\\n")
print(json.dumps([1]))
"""


def test_the_words_of_python_and_of_c_go_to_standard_error() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=buffered, cwd=ROOT
    )
    assert json.loads(done.stdout) == [1]
    assert "of Python" in done.stderr and "of a C library" in done.stderr
