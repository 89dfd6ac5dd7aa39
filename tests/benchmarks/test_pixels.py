"""The other side of the pixel benchmarks is what it is said to be."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import Tensor

import envs
from benchmarks import routing
from benchmarks.images import Book, book, rendered
from benchmarks.sb3_encoder import Manipulation, features, stock
from benchmarks.settings import Settings
from encoders import PixelEncoder
from encoders.pooling import SpatialSoftmax
from tests.benchmarks.test_fps import TINY, run
from training.config import cli
from training.evaluator import Evaluator

SETTINGS = Settings("chapter", "FetchPush-v4", 1, 16, 0.25, 100, 1000, 0, 1000, 1, 1, "cpu")
BOOKS_VIEW = envs.CameraConfig(render_size=480, goal_marker=True, msaa=True)


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
    theirs = rendered(SETTINGS, msaa)()
    ours = envs.make_vec("FetchPush-v4", 1, view=envs.CameraConfig(goal_marker=True, msaa=msaa), workers=0)
    seen, wanted = theirs.reset(seed=3)[0], ours.reset(seed=3)[0]
    assert np.array_equal(seen[envs.PIXELS], wanted[envs.PIXELS][0])
    theirs.close()
    ours.close()


SPACE = spaces.Dict(
    {
        envs.PIXELS: spaces.Box(0, 255, (12, 84, 84), np.uint8),
        **{name: spaces.Box(-1, 1, (size,)) for name, size in (("observation", 10), ("achieved_goal", 3))},
    }
)


def observations() -> dict[str, Tensor]:
    """Observations of 8 random images, as SB3 has them: names in order, channels first."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (8, 12, 84, 84), dtype=torch.uint8, generator=generator)
    return {"achieved_goal": torch.zeros(8, 3), "observation": torch.ones(8, 10), envs.PIXELS: pixels}


def encoded(encoder: PixelEncoder, seen: dict[str, Tensor]) -> Tensor:
    vector = torch.cat([seen["achieved_goal"], seen["observation"]], dim=1)
    return encoder({"vector": vector, "pixels": seen[envs.PIXELS].permute(0, 2, 3, 1).contiguous()})


def encoder_of(*flags: str) -> PixelEncoder:
    """Our encoder as train.py builds it of the preset and `flags`."""
    evaluator = Evaluator(cli.parse(["book-pixels", "--device", "cpu", *flags]), workers=0)
    evaluator.close()
    assert isinstance(evaluator.agent.encoder, PixelEncoder)
    return evaluator.agent.encoder


def same(ours: Tensor, theirs: Tensor) -> bool:
    """Within 1e-5 of the largest number."""
    return bool(theirs.abs().max() > 0 and (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max())


def test_both_encoders_compute_the_same_on_the_same_weights() -> None:
    """The chapter's, in `book-pixels` and as SB3 is given it in the benchmarks."""
    ours, theirs, seen = encoder_of(), Manipulation(SPACE), observations()
    assert isinstance(ours.pooling, SpatialSoftmax)
    ours.pooling.log_temperature.data.fill_(-4.0)  # where all points lie in the middle, LayerNorm enlarges rounding
    weights = {name.replace("layers.", "").removeprefix("pooling."): value for name, value in ours.state_dict().items()}
    theirs.load_state_dict(weights | {"positions": theirs.positions})
    # In float64: in float32 the two ways to convolve are 1.2e-5 apart on some processors.
    ours, theirs = ours.double(), theirs.double()
    processed = preprocess_obs(seen, SPACE)
    assert isinstance(processed, dict)
    seen = {name: value.double() if value.is_floating_point() else value for name, value in seen.items()}
    found, wanted = encoded(ours, seen), theirs(seen | {envs.PIXELS: processed[envs.PIXELS].double()})
    assert found.dtype == wanted.dtype == torch.float64
    assert same(found[:, :64], wanted[:, :64])
    assert sorted(found[0, 64:].tolist()) == sorted(wanted[0, 64:].tolist())  # the vectors


def channels_first(parameter: Tensor) -> Tensor:
    """The weight of our Linear (256, 7 * 7 * 64), or its gradient, in NatureCNN's order: (256, 64 * 7 * 7)."""
    return parameter.view(256, 7, 7, 64).permute(0, 3, 1, 2).flatten(1) if parameter.dim() == 2 else parameter


def test_nature_with_relu_is_sb3s_whole_path_from_pixels() -> None:
    """MultiInputPolicy's own extractor on the same weights: what comes out, and the gradient of every weight."""
    ours = encoder_of("--encoder", "nature", "--pooling", "relu", "--no-feature-norm")
    theirs, seen = stock(SPACE), observations()
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    for one, other in pairs:
        other.data.copy_(channels_first(one.detach()))
    found, wanted = encoded(ours, seen), features(theirs, seen).roll(-13, dims=1)  # its vectors come first
    assert found.shape == wanted.shape and found[:, 256:].equal(wanted[:, 256:])
    assert same(found[:, :256], wanted[:, :256])
    slopes = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * slopes).sum().backward()
    (wanted * slopes).sum().backward()
    for one, other in pairs:
        assert one.grad is not None and other.grad is not None
        assert same(channels_first(one.grad), other.grad)


def test_pixels_print_one_json_object() -> None:
    flags = {**TINY, "--env-id": "FetchPush-v4", "--batch-size": 4, "--only": "update"}
    del flags["--transitions"]
    done = run("--obs", "chapter", "--json", *(str(word) for pair in flags.items() for word in pair))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["update"]["updates_per_second"]["ratio"] > 0
    assert report["update"]["updates_per_second_push_pixels"] > 0


def encoders(facts: routing.Facts) -> tuple[int, int, int, int]:
    """Parameters of the critic's encoder, and of the actor's own, that an optimizer owns, and moves."""
    own = "actor's encoder"
    return facts.owns["encoder"], facts.moves["encoder"], facts.owns.get(own, 0), facts.moves.get(own, 0)


def test_what_the_chapters_encoder_is_trained_with_here_and_in_sb3() -> None:
    """SB3's default is our `separate`, and with a shared extractor it is our `actor`, as `agent/routing.py` says."""
    table = {
        "critic": ((11, 11, 0, 0), (0, 0, 0, 0)),
        "actor": ((0, 0, 0, 0), (11, 11, 0, 0)),
        "separate": ((11, 11, 0, 0), (0, 0, 11, 11)),
        "both": ((11, 11, 0, 0), (0, 0, 0, 0)),  # in the actor's step it is the critic's optimizer that moves it
    }
    for name, expected in table.items():
        found = routing.ours(name)
        assert (encoders(found["critic"]), encoders(found["actor"])) == expected, name
    for shared, name in ((False, "separate"), (True, "actor")):
        found = routing.sb3(shared)
        assert (encoders(found["critic"]), encoders(found["actor"])) == table[name], shared
