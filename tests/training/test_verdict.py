"""The rules for flat success, on curves whose story is known."""

from __future__ import annotations

import pytest

from training.logger import Row
from training.verdict import chapters_rule, flat_stretch, later_half, surprise_rule


def story(success: list[float], loss: list[float], name: str = "critic_loss") -> list[Row]:
    return [
        {"step": 100.0 * (number + 1), "success_rolling": one, "critic_loss": other, name: other}
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
    ("late", "learns"),
    [(0.3, True), (0.05, False)],
)
def test_a_critic_that_is_not_surprised_fails(late: float, learns: bool) -> None:
    rows = story([0.05] * 8 + [0.6] * 8, [0.1] * 4 + [late] * 4 + [1.0] * 8, "td_loss_original")
    assert later_half(rows, "td_loss_original") == pytest.approx(late)
    assert surprise_rule(rows).learns is learns
    assert surprise_rule(rows[:3]).learns is None  # too early to say
