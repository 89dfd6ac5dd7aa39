"""What the environment tests share."""

from __future__ import annotations

import pytest

from tests.envs import unruly

unruly.register()


@pytest.fixture(params=[0, 2], ids=["in process", "2 workers"])
def workers(request: pytest.FixtureRequest) -> int:
    """Both ways of stepping."""
    return request.param
