"""The rules for flat success, on curves whose story is known."""

from __future__ import annotations

import pytest

from training.logger import Row
from training.verdict import chapters_rule, flat_stretch, halves, signs_rule


def story(success: list[float], loss: list[float]) -> list[Row]:
    return [
        {"step": 100.0 * (number + 1), "success_rolling": one, "critic_loss": other}
        for number, (one, other) in enumerate(zip(success, loss, strict=True))
    ]


def test_a_flat_stretch_ends_where_success_first_passes_a_fifth() -> None:
    rows = story([0.0, 0.1, 0.3, 0.1], [1.0, 2.0, 3.0, 4.0])
    assert [row["step"] for row in flat_stretch(rows)] == [100, 200]
    rows[1]["eval_success"] = 0.2
    assert [row["step"] for row in flat_stretch([{"step": 0.0}, *rows])] == [100]


@pytest.mark.parametrize(
    ("success", "loss", "learns"),
    [
        ([0.05] * 8, [4, 4, 4, 4, 3, 3, 2, 2], False),  # flat, and the loss falls
        ([0.05] * 8, [1, 1, 1, 1, 2, 2, 3, 3], True),  # flat, and it rises
        ([0.05] * 8, [1.0] * 8, None),  # flat, and it stays
        ([0.05] * 8 + [0.5] * 8, [4, 4, 4, 4, 3, 3, 2, 2] + [9.0] * 8, False),  # of the flat stretch alone
        ([0.05] * 4 + [0.5] * 4, [4, 4, 3, 3, 2, 2, 1, 1], None),  # too short
    ],
)
def test_the_chapters_rule_is_about_flat_success(success: list[float], loss: list[float], learns: bool | None) -> None:
    assert chapters_rule(story(success, loss)).learns is learns


@pytest.mark.parametrize(
    ("surprise", "dormant", "q", "learns", "why"),
    [
        (0.3, 0.1, -9.0, True, "0.30"),
        (0.05, 0.1, -9.0, False, "TD loss"),  # nothing is news to the critic
        (0.15, 0.1, -9.0, False, "TD loss"),  # less and less is
        (0.3, 0.9, -9.0, False, "dormant"),
        (0.3, 0.1, 5.0, False, "Q is 5.0"),  # of rewards of at most 0
    ],
)
def test_each_sign_is_of_the_later_half_of_the_flat_stretch(
    surprise: float, dormant: float, q: float, learns: bool, why: str
) -> None:
    early, late, lifted = (
        {"td_loss_original": td, "dormant_units": units, "q": value}
        for td, units, value in ((0.16, 0.5, -1.0), (surprise, dormant, q), (1.0, 0.0, 0.0))
    )
    rows = story([0.05] * 8 + [0.6] * 8, [0.1] * 16)
    for row, measured in zip(rows, [early] * 4 + [late] * 4 + [lifted] * 8, strict=True):
        row |= measured
    assert halves(rows, "q") == pytest.approx((-1.0, q))
    opinion = signs_rule(rows, 0.0)
    assert opinion.learns is learns and why in opinion.why
    assert signs_rule(rows[:3], 0.0).learns is None  # too early to say
