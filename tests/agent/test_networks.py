"""The tanh-Gaussian's log-probability, the critics' forward pass, and that the twins share nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from agent.networks import LOG_STD_RANGE, Actor, TwinCritic, log_prob


def float64_log_prob(mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """torch.distributions on what our float32 numbers mean, (B, A) -> (B,). The cache keeps u where tanh(u) is 1."""
    mean, std, noise = mean.double(), log_std.double().exp(), noise.double()
    tanh = TanhTransform(cache_size=1)
    policy = TransformedDistribution(Normal(mean, std, validate_args=False), [tanh], validate_args=False)
    return policy.log_prob(tanh(mean + std * noise)).sum(-1)


def test_log_prob_is_that_of_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, noise = (torch.randn(1000, 4, generator=generator) * scale for scale in (3.0, 1.0))
    log_std = torch.rand(1000, 4, generator=generator) * 5 - 4
    ours = log_prob(mean + log_std.exp() * noise, noise, log_std)
    torch.testing.assert_close(ours.double(), float64_log_prob(mean, log_std, noise), rtol=2e-6, atol=2e-5)


def test_log_prob_of_actions_at_the_bounds_is_exact_and_has_a_gradient() -> None:
    """Far out, tanh(u) is 1 in float32 and log(1 - tanh(u)^2) would be log(0). Closed form: -2 log cosh u."""
    u = torch.tensor([-80.0, -30.0, -12.0, -9.0, 0.0, 5.0, 9.0, 10.5, 20.0, 88.0, 200.0])[:, None].requires_grad_()
    noise = torch.linspace(-3, 3, len(u))[:, None]
    log_std = torch.full_like(noise, -1.5)
    ours = log_prob(u, noise, log_std)

    at = u.detach().double().numpy()[:, 0]
    log_cosh = np.logaddexp(at, -at) - np.log(2)
    gaussian = -0.5 * noise.double().numpy()[:, 0] ** 2 + 1.5 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(ours.detach().numpy(), gaussian + 2 * log_cosh, rtol=1e-6, atol=1e-6)
    mean = u.detach() - log_std.exp() * noise
    torch.testing.assert_close(ours.detach().double(), float64_log_prob(mean, log_std, noise), rtol=1e-6, atol=1e-5)

    ours.sum().backward()
    assert u.grad is not None
    np.testing.assert_allclose(u.grad.numpy()[:, 0], 2 * np.tanh(at), rtol=1e-5, atol=1e-6)


def test_the_probabilities_of_all_actions_add_up_to_one() -> None:
    action = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 100_000 - 1  # midpoints of [-1, 1]
    mean, log_std = torch.tensor(0.4, dtype=torch.float64), torch.tensor(-0.7, dtype=torch.float64)
    u = torch.atanh(action)
    density = log_prob(u[:, None], ((u - mean) / log_std.exp())[:, None], log_std.expand(len(u), 1)).exp()
    assert float(density.mean() * 2) == pytest.approx(1, abs=1e-6)


def test_a_sample_is_the_tanh_of_mean_plus_std_times_noise_with_std_in_its_range() -> None:
    actor = Actor(state_size=5, action_size=4, width=16, depth=1)
    with torch.no_grad():
        actor.mlp.last.weight *= 100  # far beyond the range of the standard deviation, on both sides
    state, noise = torch.randn(50, 5), torch.randn(50, 4)
    mean, log_std = actor(state)
    assert (float(log_std.detach().min()), float(log_std.detach().max())) == LOG_STD_RANGE
    action, log_probability = actor.sample(state, noise)
    torch.testing.assert_close(action, (mean + log_std.exp() * noise).tanh())
    expected = float64_log_prob(mean.detach(), log_std.detach(), noise)
    torch.testing.assert_close(log_probability.detach().double(), expected, rtol=1e-5, atol=1e-4)


def critic_by_hand(layers: nn.Module, inputs: NDArray[np.float64], layer_norm: bool) -> NDArray[np.float64]:
    """The written forward pass in numpy, float64, from nothing but the weights."""
    weights = [parameter.detach().double().numpy() for parameter in layers.parameters()]
    hidden: Any = inputs
    while len(weights) > 2:
        matrix, bias = weights.pop(0), weights.pop(0)
        hidden = hidden @ matrix.T + bias
        if layer_norm:
            gain, shift = weights.pop(0), weights.pop(0)
            centred = hidden - hidden.mean(1, keepdims=True)
            hidden = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * gain + shift
        hidden = np.maximum(hidden, 0)
    return (hidden @ weights[0].T + weights[1])[:, 0]


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_critics_are_the_written_networks(layer_norm: bool) -> None:
    critic = TwinCritic(state_size=5, action_size=2, width=8, depth=3, layer_norm=layer_norm)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # or gain and shift would be 1 and 0
    parts = torch.randn(20, 5), torch.randn(20, 2)
    inputs = torch.cat(parts, dim=1).double().numpy()
    for ours, layers in zip(critic(*parts), (critic.q1, critic.q2), strict=True):
        assert [layer.out_features for layer in layers.modules() if isinstance(layer, nn.Linear)] == [8, 8, 8, 1]
        assert ours.shape == (20,)
        np.testing.assert_allclose(ours.detach().numpy(), critic_by_hand(layers, inputs, layer_norm), atol=1e-5)


def test_the_twin_critics_are_independent() -> None:
    critic = TwinCritic(state_size=5, action_size=2, width=8, depth=2, layer_norm=True)
    first, second = list(critic.q1.parameters()), list(critic.q2.parameters())
    assert {one.data_ptr() for one in first}.isdisjoint(one.data_ptr() for one in second)
    assert not first[0].equal(second[0])
    q1, q2 = critic(torch.randn(9, 5), torch.randn(9, 2))
    assert not q1.equal(q2)
    q1.sum().backward()
    assert all(one.grad is not None for one in first)
    assert all(one.grad is None for one in second)
