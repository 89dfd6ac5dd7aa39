"""The probe's readout: what it finds, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from analysis.probe import episodes_of, main, on_table, probe, readout_errors, ridge_errors

EPISODE = torch.arange(20).repeat_interleave(12)


def positions(seed: int = 0) -> Tensor:
    """Episodes with a block that lies still in each."""
    return torch.randn(20, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)[EPISODE]


def test_a_linear_code_is_read_whole_and_noise_not_at_all() -> None:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(3, 400, generator=generator, dtype=torch.float64)
    nothing = readout_errors(torch.zeros(240, 1), positions(), EPISODE)
    whole = readout_errors(positions() @ mixing + 0.5, positions(), EPISODE)
    noise = readout_errors(torch.randn(240, 400, generator=generator), positions(), EPISODE)
    assert whole.max() < 0.01 < 0.9 * nothing.mean() < noise.mean()


def test_features_that_only_name_the_episode_tell_nothing() -> None:
    """Tested on images of the episodes that it was fitted to, a readout of these would make no error at all."""
    names = torch.eye(20, dtype=torch.float64)[EPISODE]
    nothing = readout_errors(torch.zeros(240, 1), positions(), EPISODE)
    assert readout_errors(names, positions(), EPISODE).mean() > 0.9 * nothing.mean()


def test_it_is_the_ridge_regression_of_the_textbook() -> None:
    """Solved for the weights of features, where the probe solves for those of rows."""
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(30, 7, generator=generator, dtype=torch.float64).numpy()
    outputs = torch.randn(30, 2, generator=generator, dtype=torch.float64).numpy()
    fit, middle = inputs[:20], outputs[:20].mean(0)
    weights = np.linalg.solve(fit.T @ fit + 0.3 * np.eye(7), fit.T @ (outputs[:20] - middle))
    expected = np.linalg.norm(inputs[20:] @ weights + middle - outputs[20:], axis=1)
    kernel, test = torch.from_numpy(inputs @ inputs.T), torch.arange(30) >= 20
    found = ridge_errors(kernel, torch.from_numpy(outputs), test, 0.3)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-8)


def test_a_block_has_fallen_where_it_lies_below_where_its_episode_began() -> None:
    height, episode = torch.tensor([0.42, 0.5, 0.40, 0.46, 0.1, 0.44]), torch.tensor([0, 1, 0, 1, 0, 1])
    assert on_table(height, episode).tolist() == [True, True, True, True, False, False]


def test_scenes_of_an_episode_share_its_goal() -> None:
    goals = np.array([[3.0, 1, 1], [2, 1, 1], [3, 1, 1], [2, 1, 1], [2, 0, 1]])
    assert episodes_of(goals).tolist() == [2, 1, 2, 1, 0]


@pytest.mark.parametrize(
    "flags", ["--frame-stack 2", "--encoder pretrained --weights random --weights-side 32 --freeze"]
)
def test_it_looks_at_an_encoder_as_it_begins(flags: str) -> None:
    errors = probe(f"push-pixels {flags}", 5, {})
    assert list(errors) == (["nothing", "pretrained"] if "freeze" in flags else ["nothing", "maps", "features"])
    assert len({len(some) for some in errors.values()}) == 1 and 20 < len(errors["nothing"]) <= 45
    assert all(0.001 < some.mean() < 0.3 for some in errors.values())


def test_bad_input_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (([], "name one run"), (["push-pixels", "--episodes", "2"], "at least 5"),
                            (["push"], "sees no images")):  # fmt: skip
        assert main(arguments) == 2
        assert said in (error := capsys.readouterr().err) and error.count("\n") == 1
