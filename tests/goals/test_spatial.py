"""The spatial autoencoder's drawings and places against loops, and an object that it finds without being told of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from goals.autoencoder import Examples
from goals.spatial import PATCH, PIXELS, STRIDE, SpatialAutoencoder
from goals.training import AutoencoderTraining
from goals.vae import VAE


def test_drawings_and_places_are_those_of_loops() -> None:
    """An image is the mean, the background of the told numbers, and each map's patches; a latent is a map's middle."""
    torch.manual_seed(0)
    model = SpatialAutoencoder(channels=6, side=14, told=2)
    torch.nn.init.normal_(model.patch.weight)
    pixels = torch.randint(256, (3, 14, 14, 6), dtype=torch.uint8)
    told = torch.randn(3, 2)
    model.begin(Examples(pixels, told))
    with torch.no_grad():
        images = model.prepared(pixels)
        # Each camera's map is of its own image alone:
        logits = [model.encoder(images[:, 3 * camera : 3 * camera + 3] - 0.5)[:, 0].double() for camera in range(2)]
        background = model.background((told - told.mean(0)) / told.std(0, correction=0))[..., :14, :14].double()
        drawn, places = model.reconstruct(images, told), model.latent(images)
        lost = model.losses(images, told, torch.zeros(3, 4))
        warming = model.losses(images, told, torch.zeros(3, 4), factor=0.9)
    weight = model.patch.weight.detach().double()
    expected = background + (pixels.double().mean(0) / 255).permute(2, 0, 1)
    squares = (expected - images).square().sum((1, 2, 3)).mean() / 2
    assert warming.total.item() == pytest.approx(squares.item(), rel=1e-5), "the background comes first"
    middles = torch.zeros(3, 4, dtype=torch.float64)
    for image in range(3):
        for camera in range(2):
            exps = logits[camera][image].exp()
            for row in range(7):
                for column in range(7):
                    share = exps[row, column] / exps.sum()
                    middles[image, 2 * camera] += share * (STRIDE * column - 6.5) / PIXELS
                    middles[image, 2 * camera + 1] += share * (STRIDE * row - 6.5) / PIXELS
                    for y in range(PATCH):
                        for x in range(PATCH):
                            i, j = STRIDE * row + y - 5, STRIDE * column + x - 5
                            if 0 <= i < 14 and 0 <= j < 14:
                                color = slice(3 * camera, 3 * camera + 3)
                                expected[image, color, i, j] += share * weight[camera, :, y, x]
    assert torch.allclose(drawn.double(), expected, atol=1e-5)
    assert torch.allclose(places.double(), middles, atol=1e-5)
    squares = (expected - images).square().sum((1, 2, 3)).mean() / 2
    assert lost.total == lost.reconstruction == pytest.approx(squares.item(), rel=1e-5) and lost.kl == 0


def test_an_object_is_found_that_nobody_names() -> None:
    """A small brown square anywhere, and a tall white bar whose column is told: latents are the square's place."""
    rng = np.random.default_rng(0)
    bars, squares = rng.integers(0, 20, 600), rng.integers(0, 20, (600, 2))

    def drawn(bars: NDArray[np.int64], squares: NDArray[np.int64]) -> Tensor:
        images = np.full((len(bars), 24, 24, 3), 40, np.uint8)
        for image, bar, (x, y) in zip(images, bars, squares, strict=True):
            image[:, bar : bar + 2] = 255
            image[y : y + 4, x : x + 4] = 140, 70, 0
        return torch.from_numpy(images)

    torch.manual_seed(0)
    model = SpatialAutoencoder(channels=3, side=24, told=20)
    told = torch.eye(20)[bars]
    examples = Examples(drawn(bars, squares), told)
    model.begin(examples)
    AutoencoderTraining(model, seed=0).fit(examples, 400, warm_up=200)
    new = rng.integers(0, 20, (200, 2))
    with torch.no_grad():
        here, elsewhere = (model.latent(model.prepared(drawn(one, new))) for one in (bars[:200], bars[200:400]))
    places = torch.from_numpy((new + 1.5 - 11.5) / PIXELS).float()  # a square's middle, in the latents' units
    beside = here - places - (here - places).median(0).values  # the patch need not be drawn around its place
    assert beside.norm(dim=1).median() < 0.5 / PIXELS
    assert (elsewhere - here).norm(dim=1).median() < 0.5 / PIXELS, "the bar, though told, moves the latents"


@pytest.mark.parametrize("model", [SpatialAutoencoder(3, 24, told=2), VAE(4, 3, 24, beta=1.0, told=2)])
def test_examples_of_the_host_begin_a_model_on_another_device(model: SpatialAutoencoder | VAE) -> None:
    """The device "meta", whose tensors have no numbers: it is there on every machine, and mixes with no other."""
    model.to("meta").begin(Examples(torch.zeros(5, 24, 24, 3, dtype=torch.uint8), torch.zeros(5, 2)))
    assert model.normalizer is not None and model.normalizer.running_mean.device.type == "meta"
