"""The running normaliser against numpy on everything that was seen."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.normalizer import CLIP, MIN_STD, Normalizer
from tests.agent.small import random_batch, small_sac, update


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    offset=st.sampled_from([0.0, 1.0, -1000.0]),
    spread=st.sampled_from([0.0, 1e-5, 1.0, 50.0]),
    seed=st.integers(0, 1000),
)
def test_it_normalises_by_mean_and_std_of_everything_seen(
    sizes: list[int], offset: float, spread: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    normalizer = Normalizer(3)
    batches = [offset + spread * random.standard_normal((size, 3)).astype(np.float32) for size in sizes]
    for batch in batches:
        normalizer.update(torch.from_numpy(batch))

    seen = np.concatenate(batches).astype(np.float64)
    mean, std = seen.mean(0), seen.std(0)
    assert float(normalizer.count) == len(seen)
    np.testing.assert_allclose(normalizer.running_mean.numpy(), mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(normalizer.running_var.numpy(), std**2, rtol=1e-9, atol=1e-12)

    inputs = torch.from_numpy(random.standard_normal((50, 3)).astype(np.float32) * 4 * max(spread, MIN_STD) + offset)
    expected = np.clip((inputs.double().numpy() - mean) / np.maximum(std, MIN_STD), -CLIP, CLIP)
    rounding = abs(offset) * 2**-23 / max(float(std.min()), MIN_STD)  # of the float32 mean, before the division
    np.testing.assert_allclose(normalizer(inputs).numpy(), expected, rtol=1e-5, atol=1e-5 + rounding)


def test_outputs_are_clipped_and_before_anything_was_seen_only_that() -> None:
    inputs = torch.tensor([[-100.0, -5.0, 0.3, 5.1, 1e9]])
    assert Normalizer(5)(inputs).equal(torch.tensor([[-CLIP, -5.0, 0.3, CLIP, CLIP]]))


def test_a_disabled_one_passes_everything_through() -> None:
    normalizer = Normalizer(2, enabled=False)
    inputs = torch.tensor([[1e9, -7.25], [3.0, 0.1]])
    normalizer.update(inputs)
    assert normalizer(inputs).equal(inputs)
    assert float(normalizer.count) == 0


def test_statistics_are_published_in_place() -> None:
    """A captured graph reads them where they were when it was captured."""
    normalizer = Normalizer(2)
    before = {name: buffer.data_ptr() for name, buffer in normalizer.named_buffers()}
    normalizer.update(torch.randn(5, 2))
    assert {name: buffer.data_ptr() for name, buffer in normalizer.named_buffers()} == before


def test_a_loaded_one_continues_bit_for_bit() -> None:
    one, other = Normalizer(2), Normalizer(2)
    one.update(torch.randn(7, 2))
    other.load_state_dict(one.state_dict())
    more = torch.randn(3, 2)
    for normalizer in (one, other):
        normalizer.update(more)
    assert all(one.get_buffer(name).equal(buffer) for name, buffer in other.named_buffers())


def test_only_observe_moves_the_agents_normalisers_never_act_or_update() -> None:
    def statistics() -> list[torch.Tensor]:
        both = sac.agent.vector_normalizer, sac.agent.goal_normalizer
        return [buffer.clone() for normalizer in both for buffer in normalizer.buffers()]

    sac, batch = small_sac(), random_batch()
    before = statistics()
    for _ in range(3):
        update(sac, batch)
        sac.agent.act(batch.obs, batch.goal)
    assert all(one.equal(other) for one, other in zip(statistics(), before, strict=True))
    sac.agent.update_normalizers(batch.obs["vector"], batch.goal, batch.goal)
    assert float(sac.agent.vector_normalizer.count) == float(sac.agent.goal_normalizer.count) == 64
    goals = np.concatenate([random_batch(seed=99).goal.numpy(), batch.goal.numpy()])
    np.testing.assert_allclose(sac.agent.goal_normalizer.shift.numpy(), goals.mean(0), rtol=1e-5)


def test_the_last_inputs_may_be_left_as_they_are() -> None:
    normalizer = Normalizer(3, untouched=2)
    normalizer.update(torch.tensor([[1.0, 10.0, 0.001], [3.0, 20.0, 0.002]]))
    shown = normalizer(torch.tensor([[3.0, 4.0, 0.001]]))
    assert torch.allclose(shown, torch.tensor([[1.0, 4.0, 0.001]]))
