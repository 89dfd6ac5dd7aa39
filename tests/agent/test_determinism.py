"""The same seed learns the same bits, a loaded agent goes on with them, and rounded products stay near them."""

from __future__ import annotations

import copy
import io

import pytest
import torch

from agent import SAC, saving
from tests.agent.small import coming_noise, copies, random_batch, same, small_sac, state_tensors, update


def learn(sac: SAC, updates: int, first: int = 0) -> SAC:
    for seed in range(first, first + updates):
        update(sac, random_batch(seed))
    return sac


def test_the_same_seed_learns_the_same_bits_and_another_seed_does_not() -> None:
    before = torch.get_rng_state()
    one = learn(small_sac(alpha="auto", seed=3), 20)
    assert torch.get_rng_state().equal(before)  # neither weights nor noise come from the global stream
    torch.rand(5)
    assert same(state_tensors(learn(small_sac(alpha="auto", seed=3), 20)), state_tensors(one))

    other = small_sac(alpha="auto", seed=4)
    assert not any(map(torch.equal, copies(other)["actor"], copies(small_sac(seed=3))["actor"]))
    assert not coming_noise(other, 1, 5)[0].equal(coming_noise(small_sac(seed=3), 1, 5)[0])


@pytest.mark.parametrize("alpha", [0.05, "auto"])
def test_a_loaded_agent_continues_bit_for_bit(alpha: float | str) -> None:
    sac = learn(small_sac(alpha=alpha), 5)
    file = io.BytesIO()
    torch.save(saving.state_dict(sac), file)
    file.seek(0)
    other = learn(small_sac(alpha=alpha, seed=8), 2)
    saving.load_state_dict(other, torch.load(file, weights_only=True))
    assert same(state_tensors(learn(other, 5, first=5)), state_tensors(learn(sac, 5, first=5)))
    batch = random_batch()
    assert other.agent.act(batch.obs, batch.goal).action.equal(sac.agent.act(batch.obs, batch.goal).action)


def test_the_policys_state_is_enough_to_act() -> None:
    sac, other, batch = learn(small_sac(), 5), small_sac(seed=8), random_batch()
    other.agent.update_normalizers(batch.obs["vector"], batch.goal, batch.goal)
    other.agent.load_policy_state(copy.deepcopy(sac.agent.policy_state()))
    actions = [one.agent.act(batch.obs, batch.goal, deterministic=True).action for one in (sac, other)]
    assert actions[0].equal(actions[1])
