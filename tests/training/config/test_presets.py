"""Presets: those that there are, what they say of themselves, and the book's settings in the book's."""

from __future__ import annotations

import dataclasses

import pytest

import envs
from tests.training.runs import flat, run
from training.config.presets import ABOUT, PRESETS
from training.config.validation import check


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_run(preset: str) -> None:
    assert PRESETS[preset].preset == preset
    check(PRESETS[preset])


def test_learning_rates_fall_over_the_last_part_of_the_steps() -> None:
    steps = (0, 500, 750, 875, 1000, 1500)
    for decay, factors in ((0.5, (1, 1, 0.5, 0.25, 0, 0)), (1, (1, 0.5, 0.25, 0.125, 0, 0)), (0, (1,) * 6)):
        config = dataclasses.replace(PRESETS["push"], total_steps=1000, learning_rate_decay=decay)
        assert tuple(map(config.learning_rate_factor, steps)) == factors


def test_the_presets_are_those_that_were_asked_for() -> None:
    assert list(PRESETS) == [
        "push", "reach", "slide", "pick-and-place", "push-pixels", "pick-and-place-pixels", "slide-pixels",
        "push-pixels-chapter", "chapter", "reach-pixels", "book-state", "book-pixels",
    ]  # fmt: skip


def test_every_preset_is_described_with_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(ABOUT) == list(PRESETS)
    for name, about in ABOUT.items():
        steps = PRESETS[name].total_steps
        assert f" {steps / 1e6:g}M steps" in about or f" {steps / 1e3:g}K steps" in about, name
    assert run("--help") == 0
    assert "slide: Slide from state, 1M steps" in flat(capsys.readouterr().out)


def test_book_state_is_the_books() -> None:
    book = {
        "env_id": "FetchPush-v4", "obs": "state", "learning_rate": 3e-4, "batch_size": 256, "num_envs": 8,
        "updates_per_step": 1 / 8, "gamma": 0.95, "tau": 0.005, "alpha": 0.05, "her_strategy": "future",
        "her_ratio": 4 / 5, "buffer_size": 1_000_000, "learning_starts": 1000, "hidden_width": 256, "hidden_depth": 2,
        "normalize": False, "random_actions": 0.0, "clip_targets": False, "layer_norm": False,
        "guided_episodes": 0.0, "relative_goals": False, "goal_tries": 1, "goal_noise": 0.0,
        "accelerate": "off", "learning_rate_decay": 0.0,
    }  # fmt: skip
    chosen = dataclasses.asdict(PRESETS["book-state"])
    assert {name: chosen[name] for name in book} == book


def test_book_pixels_is_the_books() -> None:
    book = {
        "env_id": "FetchPush-v4", "obs": "chapter", "learning_rate": 1e-4, "updates_per_step": 0.25, "num_envs": 4,
        "batch_size": 256, "buffer_size": 500_000, "her_strategy": "future", "her_ratio": 8 / 9, "gamma": 0.95,
        "tau": 0.005, "alpha": 0.05, "learning_starts": 1000, "hidden_width": 256, "hidden_depth": 2,
        "encoder": "manipulation", "pooling": "spatial-softmax", "feature_norm": True, "frame_stack": 4,
        "routing": "critic", "target_encoder": True, "shift_pad": 0, "normalize": False, "random_actions": 0.0,
        "guided_episodes": 0.0, "clip_targets": False, "layer_norm": False, "cameras": ("default",),
        "show_goal_marker": True, "msaa": True, "render_size": 480, "goal_loss": 0.0, "goal_input": "off",
        "goals_per_image": 1, "updates_per_encoding": 1, "coord_conv": False, "proprioception": "full",
        "pixel_scale": "unit", "goal_noise": 0.0, "learning_rate_decay": 0.0,
    }  # fmt: skip
    ours = dataclasses.asdict(PRESETS["book-pixels"])
    assert {name: ours[name] for name in book} == book


@pytest.mark.parametrize("preset", ["push-pixels-chapter", "chapter", "book-pixels"])
def test_what_makes_pixels_fast_is_off_where_the_chapter_is_repeated(preset: str) -> None:
    chosen = PRESETS[preset]
    assert chosen.layout == envs.LAYOUTS["chapter"] and chosen.routing == "critic"
    assert (chosen.goal_loss, chosen.goal_input, chosen.goals_per_image, chosen.updates_per_encoding) == (
        0.0,
        "off",
        1,
        1,
    )
