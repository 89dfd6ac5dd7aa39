"""The other side of the pixel benchmarks is what it is said to be."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from gymnasium import spaces

import envs
from benchmarks import sb3_routing
from benchmarks.pictures import Book, book, drawn
from benchmarks.sb3_encoder import Manipulation
from benchmarks.settings import Settings
from encoders import PixelEncoder
from tests.benchmarks.test_fps import TINY, run

SETTINGS = Settings("chapter", "FetchPush-v4", 1, 16, 0.25, 100, 1000, 0, 1000, 1, 1, "cpu")
BOOKS_VIEW = envs.View(render_size=480, goal_marker=True, msaa=True)


def test_the_books_wrapper_shows_what_our_environments_show_drawn_its_way() -> None:
    theirs, ours = book(SETTINGS)(), envs.make_vec("FetchPush-v4", 1, view=BOOKS_VIEW, workers=0)
    assert isinstance(theirs, Book)
    seen, _ = theirs.reset(seed=3)
    wanted, _ = ours.reset(seed=3)
    first = wanted[envs.PIXELS][0].copy()
    assert np.array_equal(seen[envs.PIXELS], np.tile(first, 4))
    for action in np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype(np.float32):
        seen, *_ = theirs.step(action)
        wanted, *_ = ours.step(action[None])
        assert np.array_equal(seen[envs.PIXELS][..., -3:], wanted[envs.PIXELS][0])
        assert np.array_equal(seen["observation"], envs.take(wanted["observation"][0], envs.PROPRIOCEPTION))
    assert np.array_equal(seen[envs.PIXELS][..., :3], first)  # three steps ago
    assert theirs.observation_space.contains(seen)
    theirs.close()
    ours.close()


@pytest.mark.parametrize("msaa", [False, True])
def test_stock_is_drawn_as_it_is(msaa: bool) -> None:
    theirs = drawn(SETTINGS, msaa)()
    ours = envs.make_vec("FetchPush-v4", 1, view=envs.View(goal_marker=True, msaa=msaa), workers=0)
    seen, wanted = theirs.reset(seed=3)[0], ours.reset(seed=3)[0]
    assert np.array_equal(seen[envs.PIXELS], wanted[envs.PIXELS][0])
    theirs.close()
    ours.close()


def test_both_encoders_are_of_one_size() -> None:
    space = spaces.Dict(
        {
            envs.PIXELS: spaces.Box(0, 255, (12, 84, 84), np.uint8),
            **{name: spaces.Box(-1, 1, (size,)) for name, size in (("observation", 10), ("achieved_goal", 3))},
        }
    )
    theirs, ours = Manipulation(space), PixelEncoder("manipulation", "spatial-softmax", 12, 84, 13)
    shapes = [[tuple(one.shape) for one in network.parameters()] for network in (theirs, ours)]
    assert sorted(shapes[0]) == sorted(shapes[1])
    seen = {
        envs.PIXELS: torch.rand(2, 12, 84, 84),
        "observation": torch.zeros(2, 10),
        "achieved_goal": torch.zeros(2, 3),
    }
    assert theirs(seen).shape == (2, ours.feature_size)
    assert theirs.positions.shape == (21 * 21, 2)


def test_pixels_print_one_json_object() -> None:
    flags = {**TINY, "--env-id": "FetchPush-v4", "--batch-size": 4, "--only": "update"}
    del flags["--transitions"]
    done = run("--obs", "chapter", "--json", *(str(word) for pair in flags.items() for word in pair))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["update"]["updates_per_second"]["ratio"] > 0
    assert report["update"]["updates_per_second_push_pixels"] > 0


def test_what_sb3_trains_its_extractors_with() -> None:
    """As the table of `agent/routing.py` says of it: separate by default, the actor's if they are shared."""
    separate, shared = sb3_routing.probe(shared=False), sb3_routing.probe(shared=True)
    own = {name: facts["moves"] - {"actor", "critic"} for name, facts in separate.items()}
    assert own == {"critic's optimizer": {"critic's extractor"}, "actor's optimizer": {"actor's extractor"}}
    assert "actor's extractor" in shared["actor's optimizer"]["owns"]
    assert "actor's extractor" not in shared["critic's optimizer"]["moves"]
