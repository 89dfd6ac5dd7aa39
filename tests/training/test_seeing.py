"""Blindfolds and what an agent says it sees: what reaches the encoder, and in which units the estimate comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.runs import TINY
from training.config import cli
from training.evaluator import Evaluator
from training.rollout.evaluate import evaluate, evaluate_blindfolded
from training.rollout.policy import Blindfold


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    one = Evaluator(cli.parse(["push-pixels", *TINY]))
    yield one
    one.close()


def shown(evaluator: Evaluator, blindfold: Blindfold | None) -> list[Tensor]:
    """The images that reach the encoder in an evaluation."""
    seen: list[Tensor] = []
    hook = evaluator.agent.encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]["pixels"].clone()))
    evaluate(evaluator.eval_envs, evaluator.policy, 2, 5, blindfold)
    hook.remove()
    return seen


def test_a_blindfold_is_all_that_the_encoder_gets(evaluator: Evaluator) -> None:
    plain, black, another = (shown(evaluator, blindfold) for blindfold in (None, "black", "another"))
    assert len(plain) == len(black) == len(another) == 50
    assert all(one.any() for one in plain) and not any(one.any() for one in black)
    first = plain[0]
    assert not first[0].equal(first[1])
    assert another[0].equal(first.roll(1, 0))  # the same opening scenes, each before another's agent


def test_both_blindfolds_are_tried_and_told(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def evaluated(*arguments: Any, **_: Any) -> Any:
        asked.append(arguments)
        return type("Evaluation", (), {"success_rate": 0.25 if arguments[-1] == "black" else 0.5})

    monkeypatch.setattr("training.rollout.evaluate.evaluate", evaluated)
    said = evaluate_blindfolded(evaluator.eval_envs, evaluator.policy, 7, 3)
    assert said == {"blindfold_success_rate": 0.25, "another_image_success_rate": 0.5}
    assert [one[2:] for one in asked] == [(7, 3, "black"), (7, 3, "another")]


def test_the_estimate_is_told_in_metres_and_goals_are_seen_from_it(evaluator: Evaluator) -> None:
    """By hand: normalised is (x - mean) / std, and metres are what undoes it."""
    agent = evaluator.agent
    places = torch.tensor([1.34, 0.75, 0.43]) + 0.1 * torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    agent.update_normalizers(torch.zeros(500, 10), places, places)
    mean, std = places.mean(0), places.std(0, unbiased=False)
    pixels = torch.randint(256, (3, 84, 84, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    vector, goal = torch.zeros(3, 10), places[:6]
    obs = {"vector": vector, "pixels": pixels}
    told, features = agent.act(obs, goal[:3], deterministic=True).goal_estimate, agent.encode(obs)
    assert told is not None and agent.goal_regression is not None
    estimate = agent.goal_regression(features).detach()
    torch.testing.assert_close(told, mean + std * estimate, rtol=1e-4, atol=1e-5)
    seen = agent.state(agent.with_estimate(features), goal)[:, -3:]
    for row in range(6):  # two goals for each image: the b-th belongs to image b mod 3
        expected = (goal[row] - mean) / std - estimate[row % 3]
        torch.testing.assert_close(seen[row], expected, rtol=1e-3, atol=1e-3)
