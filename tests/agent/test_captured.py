"""The update as a CUDA graph against the eager one, where a GPU is."""

from __future__ import annotations

import copy

import pytest
import torch

from agent.captured import WARMUP, CudaGraphUpdate
from goals import EnvironmentGoals
from replay import Ring, RingSpec
from tests.agent.small import random_batch, small_sac, state_tensors, update

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@GPU
def test_a_graph_learns_what_the_eager_update_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 1e-5, relative, in float32; the same noise, since both generators stand alike."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    eager = small_sac(device="cuda", alpha="auto")
    other = copy.deepcopy(eager)
    other.agent.generator = torch.Generator("cuda")
    other.agent.generator.set_state(eager.agent.generator.get_state())
    batch = random_batch().to(torch.device("cuda"))
    captured = CudaGraphUpdate(lambda: update(other, batch), [other.agent.generator], other.optimizers.values())
    for _ in range(100):
        metrics, expected = captured(), update(eager, batch)
        torch.testing.assert_close(metrics["q"], expected["q"], rtol=1e-5, atol=1e-5)
    for one, two in zip(state_tensors(other), state_tensors(eager), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


@GPU
def test_replays_draw_other_numbers_and_what_was_stored_after_the_capture() -> None:
    device = torch.device("cuda")
    ring = Ring(
        RingSpec(100, 1, {"vector": ((1,), torch.float32)}, 1, 1, device=device),
        goal_space=EnvironmentGoals(1, lambda achieved, _: achieved[:, 0].float()),
        her_ratio=0,
    )
    zero, goal = torch.zeros(1, 1, device=device), torch.zeros(1, 1, dtype=torch.float64, device=device)

    def store(number: float) -> None:
        ring.storage.add(zero, torch.full((1,), number, device=device), zero[0] > 0, {"vector": zero}, goal, goal)

    ring.storage.start({"vector": zero}, goal, goal)
    for number in range(10):
        store(number)
    captured = CudaGraphUpdate(lambda: {"reward": ring.sample(64).reward}, [ring.generator], ())
    drawn = [captured()["reward"].clone() for _ in range(WARMUP + 3)]
    assert not drawn[-1].equal(drawn[-2])
    for _ in range(80):
        store(1000.0)
    assert (captured()["reward"] == 1000.0).any()
