"""The VAE's losses against numpy, its likelihood against a model where it is known, and weights against counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from goals.autoencoder import Examples
from goals.skew import SkewedGoals, effective_size, log_likelihood, skewed_weights
from goals.training import fit
from goals.vae import VAE, kl_divergence


@pytest.mark.parametrize(("crop", "told_size"), [(8, 0), (13, 0), (8, 2)])
def test_losses_are_those_of_an_image_summed_over_its_pixels_and_latents(crop: int, told_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    vae = VAE(latents=3, channels=6, crop=crop, beta=0.7, told=told_size)
    told = torch.randn(5, told_size, generator=generator)
    pixels = torch.randint(256, (5, 21, 21, 6), dtype=torch.uint8, generator=generator)
    noise = torch.randn(5, 3, generator=generator)
    images, first = vae.prepared(pixels), (21 - crop) // 2
    expected = pixels.numpy()[:, first : first + crop, first : first + crop].transpose(0, 3, 1, 2) / 255
    assert np.allclose(images, expected, atol=1e-7)
    with torch.no_grad():
        total, reconstruction, kl = (float(part) for part in vae.losses(images, told, noise))
        mean, log_variance = (part.double().numpy() for part in vae.posterior(images))
        latent = torch.from_numpy(mean + np.exp(log_variance / 2) * noise.numpy()).float()
        decoded = vae.decode(latent, told).numpy()
        half = vae.losses(images, told, noise, factor=0.5)
        assert float(half.total) == pytest.approx(reconstruction + 0.35 * kl, rel=1e-6)
        assert told_size == 0 or not np.allclose(vae.decode(latent, told + 1), decoded, atol=1e-4)
    squares = [np.sum((one - other) ** 2) for one, other in zip(decoded, expected, strict=True)]
    assert reconstruction == pytest.approx(np.mean(squares) / 2, rel=1e-5)
    # KL of Gaussians by its definition, the mean of log q - log p over samples of q:
    std = np.exp(log_variance / 2)
    samples = mean + std * np.random.default_rng(0).standard_normal((200_000, 1, 1))
    log_ratio = -((samples - mean) ** 2) / (2 * std**2) - np.log(std) + samples**2 / 2
    assert kl == pytest.approx(log_ratio.sum(2).mean(), abs=0.01)
    assert total == pytest.approx(reconstruction + 0.7 * kl, rel=1e-6)


def test_what_the_decoder_is_told_the_latents_do_not_hold() -> None:
    """A white bar on the left and a grey one on the right, each in any row. If the decoder is told the white one's row,
    the grey one moves the latents more; if not, the white one does, which weighs more in the images."""
    rng = np.random.default_rng(0)
    white, grey, elsewhere = (rng.integers(0, 10, 400) for _ in range(3))

    def drawn(whites: NDArray[np.int64], greys: NDArray[np.int64]) -> Tensor:
        images = np.zeros((len(whites), 12, 12, 1), np.uint8)
        for image, left, right in zip(images, whites, greys, strict=True):
            image[left : left + 3, :6], image[right : right + 3, 6:] = 255, 140
        return torch.from_numpy(images)

    def moves(told: Tensor) -> list[float]:
        torch.manual_seed(0)
        vae = VAE(latents=8, channels=1, crop=12, beta=0.02, told=told.shape[1])
        if vae.normalizer is not None:
            vae.normalizer.update(told)
        optimizer, generator = torch.optim.Adam(vae.parameters(), 3e-3), torch.Generator().manual_seed(0)
        fit(vae, optimizer, Examples(drawn(white, grey), told), 300, generator)
        with torch.no_grad():
            pairs = (white, grey), (elsewhere, grey), (white, elsewhere)
            here, *others = (vae.posterior(vae.prepared(drawn(*pair)))[0] for pair in pairs)
        return [(one - here).norm(dim=1).median().item() for one in others]

    told, untold = moves(torch.from_numpy(white[:, None]).float()), moves(torch.zeros(400, 0))
    assert told[0] < told[1] / 2 and untold[0] > untold[1]


def test_the_kl_divergence_of_a_gaussian() -> None:
    """KL(N(m, s^2) || N(0, 1)) = -log s + (s^2 + m^2 - 1) / 2."""
    mean, std = torch.tensor([[0.0, 0.0], [2.0, -1.0]]), torch.tensor([[1.0, 1.0], [0.5, 3.0]])
    expected = [0.0, (math.log(2) + (0.25 + 4 - 1) / 2) + (-math.log(3) + (9 + 1 - 1) / 2)]
    assert kl_divergence(mean, 2 * std.log()).tolist() == pytest.approx(expected)


def test_the_likelihood_is_that_of_a_linear_model_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """x = w z + b + e with one latent: p(x) = N(b, w w^T + I), and the posterior is Gaussian, so any sample tells p."""
    vae = VAE(latents=1, channels=1, crop=8, beta=1.0)
    generator = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(1, 1, 8, 8, generator=generator), torch.randn(1, 1, 8, 8, generator=generator)
    precision = 1 + weight.square().sum()

    def posterior(images: Tensor) -> tuple[Tensor, Tensor]:
        mean = ((images - bias) * weight).flatten(1).sum(1, keepdim=True) / precision
        return mean, (1 / precision).log().expand_as(mean)

    monkeypatch.setattr(vae, "posterior", posterior)
    monkeypatch.setattr(vae, "decode", lambda latent, told: latent[:, :, None, None] * weight + bias)
    images = torch.randn(4, 1, 8, 8, generator=generator)
    found = log_likelihood(vae, images, torch.zeros(4, 0), torch.randn(3, 4, 1, generator=generator))
    flat = weight.flatten()
    known = torch.distributions.MultivariateNormal(bias.flatten(), torch.outer(flat, flat) + torch.eye(64))
    expected = known.log_prob(images.flatten(1)) + 32 * math.log(2 * math.pi)  # the constant is left out
    assert torch.allclose(found, expected, atol=1e-3)


def test_skewed_goals_are_uniform_over_what_was_reached() -> None:
    """Five places, the first reached 20 times as often as the last: sampled by p^-1 each comes up as often."""
    counts = torch.tensor([1000, 400, 200, 100, 50])
    place = torch.arange(5).repeat_interleave(counts)
    log_density = (counts / counts.sum()).log()[place] + 321.0  # but for a constant
    weights = skewed_weights(log_density)
    brute = np.array([1 / counts[one] for one in place])
    assert np.allclose(weights, brute / brute.sum())
    pool = SkewedGoals(place[:, None].double(), weights)
    sampled = pool.sample(50_000, torch.Generator().manual_seed(0))
    assert sampled.shape == (50_000, 1) and sampled.dtype == torch.float64
    often = sampled[:, 0].long().bincount(minlength=5) / 50_000
    assert torch.allclose(often, torch.full((5,), 0.2), atol=0.01)


def test_weights_that_would_be_a_few_images_are_flattened_until_a_tenth_counts() -> None:
    """Log-likelihoods as spread as those of whole images: rarer images still weigh more, and none weighs all."""
    log_likelihood = -150 + 30 * torch.randn(400, generator=torch.Generator().manual_seed(0))
    assert effective_size((-log_likelihood.double()).softmax(0)) < 2, "as the paper has it"
    weights = skewed_weights(log_likelihood)
    assert effective_size(weights) == pytest.approx(40, rel=1e-6) and float(weights.sum()) == pytest.approx(1)
    assert weights.argsort().equal((-log_likelihood).argsort())
    slope = np.polyfit(log_likelihood.double().numpy(), weights.log().numpy(), 1)
    assert -1 < slope[0] < 0 and np.allclose(np.polyval(slope, log_likelihood.double().numpy()), weights.log().numpy())
