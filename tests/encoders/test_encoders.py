"""Encoders: shapes as the papers have them, and peaks where they belong."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from encoders import PixelEncoder
from encoders import __main__ as prices
from encoders.convolutions import Convolutions
from encoders.families import FAMILIES
from encoders.pooling import SpatialSoftmax


def images(count: int = 2, channels: int = 3) -> torch.Tensor:
    return torch.randint(256, (count, 84, 84, channels), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("family", "sides", "shape"),
    [
        ("nature", [20, 9, 7], (64, 7, 7)),
        ("manipulation", [42, 42, 42, 21], (32, 21, 21)),
        ("drqv2", [41, 39, 37, 35], (32, 35, 35)),
        ("fast", [42, 21, 21], (32, 21, 21)),
        ("tdmpc2", [39, 18, 8, 6], (32, 6, 6)),
        ("dreamer", [42, 21, 11, 6], (64, 6, 6)),
    ],
)
@pytest.mark.parametrize("coord_conv", [False, True])
def test_families_have_their_papers_shapes(
    family: str, sides: list[int], shape: tuple[int, ...], coord_conv: bool
) -> None:
    convolutions, seen = Convolutions(family, 6, 84, coord_conv), []
    for layer in filter(lambda layer: isinstance(layer, nn.Conv2d), convolutions.layers):
        layer.register_forward_hook(lambda layer, inputs, maps: seen.append(maps.shape[-1]))
    assert convolutions(images(channels=6)).shape == (2, *shape)
    assert convolutions.shape == shape
    assert seen == sides


def test_tdmpc2_is_its_papers_at_64_pixels() -> None:
    """Four convolutions with ReLU between them and none behind; 512 numbers, of which each 8 add up to 1."""
    encoder = PixelEncoder("tdmpc2", "simnorm", 3, 64, 2, feature_norm=False, pixel_scale="unit").double()
    pixels = images()[:, :64, :64]
    maps = pixels.permute(0, 3, 1, 2).double() / 255
    convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
    for number, (layer, stride) in enumerate(zip(convolutions, (2, 2, 2, 1), strict=True)):
        maps = F.conv2d(maps.relu() if number else maps, layer.weight, layer.bias, stride)
    numbers = maps.reshape(2, 512).detach().numpy()
    expected = [[math.exp(x) / sum(math.exp(y) for y in row[i // 8 * 8 :][:8]) for i, x in enumerate(row)]
                for row in numbers]  # fmt: skip
    encoded = encoder({"pixels": pixels, "vector": torch.ones(2, 2)})
    torch.testing.assert_close(encoded[:, :512], torch.tensor(expected, dtype=torch.float64))
    assert encoder.feature_size == encoded.shape[1] == 514


def test_dreamer_divides_by_the_root_mean_square_over_channels() -> None:
    """A layer's output at one place, by hand: x / sqrt(mean x^2 + 1e-4) times the learned scale, then x sigmoid(x)."""
    convolutions = Convolutions("dreamer", 3, 84, False, "unit").double()
    assert [layer.out_channels for layer in convolutions.layers if isinstance(layer, nn.Conv2d)] == [32, 48, 64, 64]
    first, scale = convolutions.layers[0], torch.linspace(0.5, 2, 32, dtype=torch.float64)
    assert isinstance(first, nn.Conv2d)
    next(convolutions.layers[1].parameters()).data = scale
    inputs = images().permute(0, 3, 1, 2).double() / 255
    place = F.conv2d(inputs, first.weight, first.bias, 2, 2)[1, :, 17, 40]
    normed = place / (place.square().mean() + 1e-4).sqrt() * scale
    expected = normed / (1 + (-normed).exp())
    convolutions.layers = nn.Sequential(*list(convolutions.layers)[:3])
    torch.testing.assert_close(convolutions(images())[1, :, 17, 40], expected)


def test_the_command_counts_as_one_does_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """NatureCNN on one image, with a trunk of 50."""
    by_hand = 20 * 20 * 32 * 8 * 8 * 3 + 9 * 9 * 64 * 4 * 4 * 32 + 7 * 7 * 64 * 3 * 3 * 64 + 64 * 7 * 7 * 50
    nature, obs = prices.encoder("nature", 3), {"pixels": images(1), "vector": torch.zeros(1, 0)}
    assert prices.multiply_adds(lambda: nature(obs)) == by_hand
    biases, layer_norm = 32 + 64 + 64 + 50, 2 * 50
    weights = 32 * 8 * 8 * 3 + 64 * 4 * 4 * 32 + 64 * 3 * 3 * 64 + 64 * 7 * 7 * 50
    assert prices.parameters(nature) == weights + biases + layer_norm
    assert prices.main(prices.Arguments(images=0)) == prices.main(prices.Arguments(cameras=0)) == 2
    assert prices.main(prices.Arguments(images=1)) == 0
    said = capsys.readouterr().out
    assert all(family[:6] in said for family in FAMILIES)


@pytest.mark.parametrize(
    ("family", "pooling", "norm", "features", "bounds"),
    [
        ("manipulation", "spatial-softmax", True, 64, (-1, 1)),  # Tanh
        ("manipulation", "flat", True, 50, (-1, 1)),
        ("nature", "relu", False, 256, (0, math.inf)),  # as in Stable-Baselines3
    ],
)
def test_vectors_follow_what_the_images_gave(
    family: str, pooling: str, norm: bool, features: int, bounds: tuple[float, float]
) -> None:
    vector = 13
    encoder = PixelEncoder(family, pooling, 3, 84, vector, feature_norm=norm)  # type: ignore[arg-type]
    vectors = torch.randn(2, vector)
    encoded = encoder({"vector": vectors, "pixels": images()})
    assert encoded.shape == (2, features + vector) and encoder.feature_size == features + vector
    assert encoded[:, features:].equal(vectors)
    assert bounds[0] <= encoded[:, :features].min() and encoded[:, :features].max() <= bounds[1]


@pytest.mark.parametrize(("height", "width"), [(7, 7), (5, 9)])
def test_a_peak_lands_at_its_place(height: int, width: int) -> None:
    pooling = SpatialSoftmax(2, height, width)
    maps = torch.zeros(1, 2, height, width)
    maps[0, 0, 0, width - 1] = 100.0  # the upper right corner
    maps[0, 1, height - 1, width // 2] = 100.0  # the middle of the lowest row
    torch.testing.assert_close(pooling(maps), torch.tensor([[1.0, -1.0, 0.0, 1.0]]))
    torch.testing.assert_close(pooling(torch.zeros(1, 2, height, width)), torch.zeros(1, 4), atol=1e-6, rtol=0)


def test_a_lower_temperature_is_as_good_as_larger_maps() -> None:
    maps = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    cold, plain = SpatialSoftmax(3, 5, 4, temperature=0.1), SpatialSoftmax(3, 5, 4)
    torch.testing.assert_close(cold(maps), plain(10 * maps), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(cold(maps), plain(maps), atol=0.1)


def test_the_temperature_is_learned_and_stays_positive() -> None:
    pooling, maps = SpatialSoftmax(1, 3, 3), torch.zeros(1, 1, 3, 3)
    maps[0, 0, 1, 2] = 1.0
    sharper = torch.optim.SGD(pooling.parameters(), lr=100.0)
    before = pooling(maps)[0, 0].item()
    for _ in range(5):
        sharper.zero_grad()
        (-pooling(maps)[0, 0]).backward()
        sharper.step()
    assert pooling(maps)[0, 0].item() > before + 0.1


def test_chunks_change_nothing_but_rounding() -> None:
    encoder = PixelEncoder("fast", "spatial-softmax", 3, 84, 4).double()
    obs = {"vector": torch.randn(5, 4, dtype=torch.float64), "pixels": images(5)}
    whole = encoder(obs)
    encoder.chunk = 2
    torch.testing.assert_close(encoder(obs), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("coord_conv", [False, True])
def test_images_are_read_as_numbers_from_minus_one_to_one(dtype: torch.dtype, coord_conv: bool) -> None:
    """To the last bit what the first layer makes of (pixels - 128) / 128, and of coordinates from -1 to 1."""
    convolutions = Convolutions("fast", 6, 84, coord_conv)
    first = convolutions.layers[0]
    assert isinstance(first, nn.Conv2d)
    convolutions.layers = nn.Sequential(first)
    convolutions.in_bfloat16 = dtype == torch.bfloat16
    pixels = torch.randint(256, (4, 84, 84, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    inputs = pixels.permute(0, 3, 1, 2).to(dtype).sub(128).div(128)
    if coord_conv:
        line = torch.linspace(-1, 1, 84)
        grid = torch.stack([line.expand(84, 84), line[:, None].expand(84, 84)])
        inputs = torch.cat([inputs, grid.to(dtype).expand(4, -1, -1, -1)], dim=1)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    assert first.bias is not None
    expected = F.conv2d(inputs, first.weight.to(dtype), first.bias.to(dtype), first.stride, first.padding)
    assert convolutions(pixels).equal(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("coord_conv", [False, True])
def test_in_the_unit_scale_images_are_read_as_pixels_by_255_padded_with_black(
    dtype: torch.dtype, coord_conv: bool
) -> None:
    """The first layer against torch's own in float64.

    The weights are numbers of the dtype times 255, so that neither they nor the whole numbers that they meet are
    rounded: only what comes out is, and coordinates where there are any.
    """
    convolutions, generator = Convolutions("manipulation", 6, 84, coord_conv, "unit"), torch.Generator().manual_seed(0)
    first = convolutions.layers[0]
    assert isinstance(first, nn.Conv2d) and first.bias is not None
    for parameter, scale in ((first.weight, 255), (first.bias, 1)):
        drawn = torch.randn(parameter.shape, generator=generator).div(1000)
        parameter.data = drawn.bfloat16().float() * scale
    convolutions.layers = nn.Sequential(first)
    convolutions.in_bfloat16 = dtype == torch.bfloat16
    line, shown = torch.linspace(-1, 1, 84, dtype=torch.float64), images(4, channels=6)
    grid = torch.stack([line.expand(84, 84), line[:, None].expand(84, 84)]).expand(4, -1, -1, -1)
    inputs = torch.cat([shown.permute(0, 3, 1, 2).double() / 255, grid], dim=1)[:, : first.in_channels]
    weight, bias = first.weight.double(), first.bias.double()
    expected = F.conv2d(inputs, weight, bias, stride=2, padding=1)
    rounded = F.conv2d(inputs[:, 6:].abs(), weight[:, 6:].abs(), stride=2, padding=1) if coord_conv else 0.0
    unit = torch.finfo(dtype).eps / 2
    accumulated = 1e-6 * F.conv2d(inputs.abs(), weight.abs(), stride=2, padding=1)  # in float32, 72 products
    assert ((convolutions(shown) - expected).abs() <= unit * (expected.abs() + rounded) * 1.01 + accumulated).all()
