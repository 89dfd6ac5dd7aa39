"""Curves of several seeds: the mean, its band and its legend."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import curves
from training.logger import Row

BAND = "shaded: from the lowest seed to the highest; thin: each seed"


def rows(*success: float) -> list[Row]:
    return [{"step": 100.0 * (number + 1), "eval_success": value} for number, value in enumerate(success)]


def test_the_band_reaches_from_the_lowest_seed_to_the_highest_and_is_named() -> None:
    seeds = [rows(0.1, 0.6, 0.5), rows(0.3, 0.2, 0.9, 1.0)]  # the second has a row more
    figure, places = curves.panels({"ours": seeds, "single": seeds[:1]}, ("eval_success", "readout_cm"))
    (axes,) = places.values()  # nobody has a readout
    corners = {tuple(corner) for corner in np.asarray(axes.collections[0].get_paths()[0].vertices).tolist()}
    assert corners == {(100, 0.1), (100, 0.3), (200, 0.2), (200, 0.6), (300, 0.5), (300, 0.9)}
    (mean,) = [line for line in axes.lines if line.get_label() == "ours"]
    assert np.asarray(mean.get_xydata()) == pytest.approx(np.array([[100, 0.2], [200, 0.4], [300, 0.7]]))
    assert curves.legend_of(places)[1] == ["ours", "single", BAND]
    curves.plt.close(figure)


def test_where_there_is_one_seed_there_is_no_band_to_name() -> None:
    figure, places = curves.panels({"single": [rows(0.1, 0.6)]}, ("eval_success",))
    assert curves.legend_of(places)[1] == ["single"]
    curves.plt.close(figure)
