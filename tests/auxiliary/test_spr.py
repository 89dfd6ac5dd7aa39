"""SPR in a world whose motion is known, and against loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from auxiliary import SPR, Sizes
from encoders import Encoder, PixelEncoder
from replay import Future
from replay.augment import RandomShift
from replay.batch import Observation
from tests.agent.small import SIDE, random_batch, small_encoder
from tests.auxiliary.small import K, batch_with_future, made


class Plain(Encoder):
    """A world whose observations are its features."""

    def forward(self, obs: Observation) -> Tensor:
        return obs["vector"]


def rotated(points: Tensor, angle: Tensor) -> Tensor:
    """Points (P, 2) turned by angles (P,)."""
    x, y = points.unbind(1)
    return torch.stack([angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y], dim=1)


def world(rows: int, seed: int) -> Any:
    """Points that each action in [-1, 1] turns by so many radians; after an episode's end they are anything."""
    generator = torch.Generator().manual_seed(seed)
    points, actions = torch.randn(rows, 2, generator=generator), torch.rand(rows, K, 1, generator=generator) * 2 - 1
    ends, following, here = torch.randint(1, K + 1, (rows,), generator=generator), [], points
    for step in range(K):
        here = rotated(here, actions[:, step, 0])
        following.append(torch.where((step < ends)[:, None], here, torch.randn(rows, 2, generator=generator)))
    future = Future({"vector": torch.stack(following, dim=1)}, actions, torch.arange(K) < ends[:, None])
    batch = random_batch(rows=rows)
    return points, replace(batch, future=future)


def test_spr_recovers_a_rotation_that_the_actions_make() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = SPR(Plain(), Sizes(2, 1, (SIDE, SIDE, 3)), 1.0)
    loss.projection = loss.predictor = nn.Identity()  # else it is known but for a linear map
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-2)
    for step in range(400):
        points, batch = world(256, seed=step)
        value, _ = loss.loss(points, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    angle = torch.linspace(-1, 1, 9).repeat_interleave(8)
    points = rotated(torch.tensor([[1.0, 0.0]]).repeat(72, 1), torch.arange(72.0))
    turned = loss.rollout(points, angle.view(-1, 1, 1))[:, 0].detach()
    cross = points[:, 0] * turned[:, 1] - points[:, 1] * turned[:, 0]
    found = torch.atan2(cross, (points * turned).sum(1))
    assert (found - angle).abs().max() < 0.1  # radians


def test_its_mask_is_a_loop_over_the_steps_of_each_episode() -> None:
    loss, batch = cast(SPR, made("spr")), batch_with_future()
    features = small_encoder()(batch.obs).detach()
    total, steps = 0.0, 0
    with torch.no_grad():
        for row in range(32):
            predicted = features[row, :50]
            for step in range(row % K + 1):
                predicted = loss.transition(torch.cat([predicted, batch.future.action[row, step]]))
                coming = loss.online[0]({name: part[row, step][None] for name, part in batch.future.obs.items()})
                one, other = loss.predictor(loss.projection(predicted)), loss.projection(coming[0, :50])
                total += 2 - 2 * (one @ other / one.norm() / other.norm()).item()
                steps += 1
        value, _ = loss.loss(features, batch)
    assert value.item() == pytest.approx(total / steps, rel=1e-5)


def test_targets_have_no_gradient_and_a_collapse_is_seen_in_the_log() -> None:
    loss, batch = cast(SPR, made("spr")), batch_with_future()
    value, reported = loss.loss(small_encoder()(batch.obs).detach(), batch)
    value.backward()
    assert all(one.grad is None for one in loss.online[0].parameters()) and reported["spr_std"] > 0.01
    encoder = cast(PixelEncoder, loss.online[0])
    nn.init.zeros_(cast(nn.Linear, encoder.pooling.linear).weight)
    value, reported = loss.loss(small_encoder()(batch.obs).detach(), batch)
    assert reported["spr_std"] < 1e-6 and value.isfinite()


def test_shifts_move_what_is_to_come_too() -> None:
    """Each observation by its own offset, or all of a transition by the same; and where nothing follows, the random
    numbers are those that they were."""
    batch = batch_with_future()
    same = replace(batch, future=None)
    for shared in (False, True):
        shift, other = RandomShift(2, shared, seed=3), RandomShift(2, shared, seed=3)
        moved: Any = shift(batch)
        assert moved.next_obs["pixels"].equal(other(same).next_obs["pixels"])
        still = replace(batch, obs=batch.obs | {"pixels": batch.future.obs["pixels"][:, 1]})
        as_one = RandomShift(2, shared, seed=3)(still).obs["pixels"]  # by the transition's own offset
        assert moved.future.obs["pixels"][:, 1].equal(as_one) == shared
        assert moved.future.obs["vector"].equal(batch.future.obs["vector"])
