"""Latent goals in a ring: encoded anew after the VAE has moved, paid by distance, and mixed as asked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from goals.autoencoder import Examples
from goals.latent import LatentGoals
from goals.vae import VAE
from replay import Ring, RingSpec
from replay.hindsight import Imagined

SIDE, ENVS, SLOTS = 12, 2, 9


class Squares:
    """Draws a goal as a dark square where its first two numbers say, on white."""

    rendered = 0

    def __call__(self, goals: NDArray[np.float64]) -> NDArray[np.uint8]:
        self.rendered += len(goals)
        images = np.full((len(goals), SIDE, SIDE, 3), 255, np.uint8)
        for image, (x, y, _) in zip(images, goals, strict=True):
            image[int(x) : int(x) + 3, int(y) : int(y) + 3] = 20
        return images

    def close(self) -> None:
        """It holds nothing."""


def make_space(**changes: Any) -> LatentGoals:
    torch.manual_seed(0)
    options = {"sparse": False, "threshold": 0.5, "skewed": True, "shown": False, "seed": 0} | changes
    return LatentGoals(VAE(4, 3, SIDE, 0.1), Squares(), **options)


def untold(pixels: Tensor) -> Examples:
    """Images of which the decoder is told nothing."""
    return Examples(pixels, torch.zeros(len(pixels), 0))


def filled(space: LatentGoals, steps: int) -> Ring:
    """A ring of episodes of 4 steps, with other places and goals in each observation."""
    rng = np.random.default_rng(0)
    vector = 2 + space.shown * space.size
    parts = {"pixels": ((SIDE, SIDE, 3), torch.uint8), "vector": ((vector,), torch.float32),
             "goal_position": ((3,), torch.float64)}  # fmt: skip
    spec = RingSpec(SLOTS * ENVS, ENVS, parts, space.size, 1)
    ring = Ring(spec, goal_space=space, imagined=Imagined(0.0, space.imagine))

    def observed(goals: NDArray[np.float64]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        pixels = Squares()(rng.uniform(0, SIDE - 3, (ENVS, 3)))
        achieved, desired = space.goals({"pixels": pixels, "desired_goal": goals})
        own = torch.cat([torch.ones(ENVS, 2), torch.from_numpy(achieved).float()[:, : space.shown * space.size]], dim=1)
        stored = {"pixels": torch.from_numpy(pixels), "vector": own, "goal_position": torch.from_numpy(goals)}
        return stored, torch.from_numpy(achieved), torch.from_numpy(desired)

    for step in range(steps):
        if step % 4 == 0:
            goals = rng.uniform(0, SIDE - 3, (ENVS, 3))
            ring.storage.start(*observed(goals))
        ring.storage.add(torch.zeros(ENVS, 1), torch.full((ENVS,), -77.0), torch.zeros(ENVS), *observed(goals))
    return ring


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("steps", [3, 30])  # partly filled; overwritten several times
def test_after_the_vae_has_moved_every_stored_goal_is_a_fresh_encoding(steps: int, shown: bool) -> None:
    space = make_space(shown=shown)
    ring = filled(space, steps)
    tables = ring.storage.tables
    before = {name: tables[name].clone() for name in ("achieved_goal", "desired_goal")}
    space.learn_again(ring, updates=3)
    written = 4 * ENVS if steps == 3 else SLOTS * ENVS
    assert ring.storage.written == written
    for row in range(written):
        with torch.no_grad():
            images = (tables["pixels"][row], torch.from_numpy(Squares()(tables["goal_position"][row][None].numpy()))[0])
            fresh = [space.autoencoder.latent(image[None].permute(0, 3, 1, 2) / 255)[0] for image in images]
        for name, expected in zip(before, fresh, strict=True):
            assert torch.allclose(tables[name][row].float(), expected, atol=1e-5)
            assert not torch.allclose(before[name][row].float(), expected, atol=1e-3), "the VAE has moved"
    assert all((tables[name][written:] == 0).all() for name in before)
    achieved = tables["achieved_goal"][:written].float()
    assert tables["vector"][:written].equal(torch.cat([torch.ones(written, 2), achieved[:, : 4 * shown]], dim=1))
    assert space.pool is not None and len(space.pool.goals) == len(space.pool.weights)
    place = torch.cdist(space.pool.goals, tables["achieved_goal"][:written]).argmin(1)
    assert torch.allclose(space.pool.goals, tables["achieved_goal"][place], atol=1e-5), "goals that are stored"


def test_rewards_are_distances_or_tell_whether_they_are_below_the_threshold() -> None:
    achieved, desired = torch.zeros(3, 4).double(), torch.tensor([[0.3, 0.4, 0, 0], [0.3, 0.39, 0, 0], [3, 0, 0, 4]])
    distance = torch.tensor([0.5, 0.49203658, 5.0])
    assert torch.allclose(make_space().reward(achieved, desired.double()), -distance)
    sparse = make_space(sparse=True)
    assert sparse.reward(achieved, desired.double()).tolist() == [-1, 0, -1]
    assert sparse.reached(achieved, desired.double()).tolist() == [False, True, False]


def test_own_imagined_and_later_goals_are_mixed_as_asked_and_all_are_paid_in_latent_space() -> None:
    """RIG's 0.1, 0.5 and 0.4. The stored reward, which is the environment's, is never handed out."""
    space = make_space()
    ring = filled(space, 30)
    far = torch.full((4,), 55.0, dtype=torch.float64)
    ring.her_ratio, ring.imagined = 0.9, Imagined(0.5, lambda count, _: far.expand(count, 4))
    batch = ring.sample(20_000)
    tables = ring.storage.tables

    def among(goals: Tensor) -> Tensor:
        return (batch.goal[:, None] == goals.float()[None]).all(-1).any(1)

    imagined, own, later = among(far[None]), among(tables["desired_goal"]), among(tables["achieved_goal"])
    assert (imagined.int() + own.int() + later.int() == 1).all()
    fractions = [part.float().mean().item() for part in (own, imagined, later)]
    assert fractions == pytest.approx([0.1, 0.5, 0.4], abs=0.015)
    assert set(batch.obs) == {"pixels", "vector"}, "where the goal is in metres stays in the storage"
    with torch.no_grad():
        led_to = space.encode(batch.next_obs["pixels"])
    assert torch.allclose(batch.reward, -(led_to - batch.goal).norm(dim=1).float(), atol=1e-4)
    ring.her_ratio = 0.0  # as the diagnosis asks for: goals of the episodes' own
    batch = ring.sample(500)
    assert among(tables["desired_goal"]).all() and batch.reward.min() > -77
    ring.her_ratio = 0.9
    assert ring.sample(4_000, goals=3).reward.shape == (12_000,)


def test_the_prior_is_standard_normal_until_there_are_skewed_goals() -> None:
    space = make_space(skewed=False)
    generator = torch.Generator().manual_seed(0)
    sampled = space.imagine(20_000, generator)
    assert sampled.mean(0).abs().max() < 0.03 and (sampled.std(0) - 1).abs().max() < 0.03
    images = torch.from_numpy(Squares()(np.random.default_rng(0).uniform(0, 9, (30, 3))))
    space.learn(untold(images), 2)
    assert space.pool is None
    skewed = make_space()
    skewed.learn(untold(images), 2)
    assert torch.cdist(skewed.imagine(100, generator), skewed.encode(images)).amin(1).max() < 1e-5


def test_a_goal_is_rendered_once_and_anew_after_the_vae_has_moved() -> None:
    space = make_space()
    squares, goals = space.render, np.array([[1.0, 2.0, 0.0], [5.0, 5.0, 0.0]])
    assert isinstance(squares, Squares)
    first = space.desired(goals)
    assert space.desired(goals[::-1]).equal(first.flip(0)) and squares.rendered == 2
    space.learn(untold(torch.from_numpy(squares(goals))), 1)
    assert not space.desired(goals).equal(first) and squares.rendered == 6


def test_a_saved_space_goes_on_as_if_nothing_had_happened() -> None:
    images = torch.from_numpy(Squares()(np.random.default_rng(0).uniform(0, 9, (30, 3))))
    one, other = make_space(), make_space(seed=5)
    one.learn(untold(images), 3)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for space in (one, other):
        space.learn(untold(images), 2)
    assert one.encode(images).equal(other.encode(images))
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    assert one.imagine(50, generators[0]).equal(other.imagine(50, generators[1]))
