"""Configurations that were saved by this version and by earlier ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from training.config.presets import PRESETS
from training.config.saved import ADDED, from_json


@pytest.mark.parametrize("name", ["obs", "routing", "encoder", "pooling", "goal_input", "accelerate"])
def test_a_saved_configuration_with_a_choice_that_there_is_not_is_none(name: str) -> None:
    saved = json.loads(PRESETS["push-pixels"].to_json())
    assert from_json(json.dumps(saved)) == PRESETS["push-pixels"]
    with pytest.raises(ValueError, match=f"{name} is nonsense"):
        from_json(json.dumps(saved | {name: "nonsense"}))


def test_a_configuration_with_old_names_is_read() -> None:
    saved = json.loads(PRESETS["push-pixels"].to_json())
    for name in (name for added in ADDED[4:] for name in added):  # from goal_motion on
        del saved[name]  # there were not
    saved |= {"head": saved.pop("pooling"), "head_updates": saved.pop("updates_per_encoding"), "goal_input": "instead"}
    for before, now in ((True, "full"), (False, "none")):
        read = from_json(json.dumps(saved | {"proprioception": before}))
        assert read.proprioception == now
        now_is: dict[str, Any] = {"proprioception": "full", "goal_motion": True, "save_minutes": 1.0}
        assert dataclasses.replace(read, **now_is) == PRESETS["push-pixels"]


def test_what_an_old_configuration_lacks_is_what_was_done_then_and_nothing_else_may_be_missing() -> None:
    """The oldest configurations that are kept are of runs that had neither lent near misses nor falling rates."""
    results = Path(__file__).parents[3] / "experiments/results"
    oldest = from_json((results / "book-state/seed-0/config.json").read_text())
    assert (oldest.goal_noise, oldest.learning_rate_decay, oldest.goal_motion) == (0.0, 0.0, False)
    ours = [file for file in results.glob("*/seed-*/config.json") if not file.match("sb3-*/*/*")]
    assert [from_json(file.read_text()).seed for file in ours]
    saved = json.loads(PRESETS["push-pixels"].to_json())
    last = ADDED[-1]
    for name in saved.keys() - last.keys():
        with pytest.raises(ValueError, match=f"it lacks {name}"):
            from_json(json.dumps({key: value for key, value in saved.items() if key != name}))
