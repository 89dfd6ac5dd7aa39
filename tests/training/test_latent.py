"""Runs whose goals are images: nothing privileged reaches the policy, and a stopped run goes on bit for bit."""

from __future__ import annotations

import copy
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import envs
import pixel_push
from tests.training.runs import at_step, differences, metrics, run, saved_state, stop, tiny, tiny_config
from training import checkpoint, latent
from training.config.flags import Config
from training.config.latent import Latent
from training.config.saved import from_json
from training.evaluator import Evaluator
from training.rollout.evaluate import evaluate
from training.trainer import Trainer

FLAGS = ("--goals", "latent", "--obs", "honest", "--goal-noise", "0", "--goal-tries", "1", "--her-ratio", "0.9",
         "--latent-frames", "50", "--num-envs", "2", "--buffer-size", "400", "--max-episode-steps", "10",
         "--pooling", "flat")  # fmt: skip
SKEWED = (*FLAGS, "--prior-ratio", "0.5", "--goal-sampling", "skewed", "--latent-every", "80", "--latent-updates", "2",
          "--latent-updates-again", "2", "--latent-size", "4", "--cameras", "close")  # fmt: skip
CONDITIONAL = (*SKEWED, "--latent-input", "concat", "--latent-conditional")
SPATIAL = (*FLAGS, "--prior-ratio", "0", "--latent-model", "spatial", "--latent-updates", "4", "--latent-warm-up", "2",
           "--latent-input", "concat", "--cameras", "close", "mirror")  # fmt: skip

# With four latents each.
GOALS = {"RIG's goals": SKEWED, "latent beside": CONDITIONAL, "latent alone": (*SKEWED, "--latent-input", "alone"),
         "places": SPATIAL}  # fmt: skip


@pytest.fixture(scope="module", params=list(GOALS.values()), ids=list(GOALS))
def trainer(request: pytest.FixtureRequest) -> Iterator[Trainer]:
    with Trainer(tiny_config(*request.param)) as one:
        one.start()
        for _ in range(24):
            one.collector.begin_step(explore_only=True)
            one.collector.end_step()
        yield one


class Same:
    """Shows the same image whatever the goal is."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image

    def __call__(self, goals: NDArray[np.float64]) -> NDArray[np.uint8]:
        return np.repeat(self.image[None], len(goals), axis=0)

    def close(self) -> None:
        """It holds nothing."""


def test_of_the_environments_numbers_nothing_but_the_goals_image_reaches_the_policy(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs = {name: part.copy() for name, part in trainer.train_envs.reset(seed=1)[0].items()}
    space = trainer.latent
    assert space is not None
    monkeypatch.setattr(space, "render", Same(obs[envs.PIXELS][0]))

    def action(changes: dict[str, NDArray[Any]]) -> NDArray[Any]:
        space._known.clear()
        return trainer.policy.deterministic()(obs | changes, np.ones(2, bool))

    before = action({})
    hidden = [column for column in range(25) if column not in (0, 1, 2, 9, 10, 20, 21, 22, 23, 24)]
    object_moved = obs["observation"].copy()
    object_moved[:, hidden] += 0.05
    for changes in (
        {"observation": object_moved},
        {"achieved_goal": obs["achieved_goal"] + 0.05},
        {"desired_goal": obs["desired_goal"] + 0.05},
    ):
        assert np.array_equal(action(changes), before), list(changes)
    assert not np.array_equal(action({envs.PIXELS: obs[envs.PIXELS][::-1].copy()}), before)
    monkeypatch.setattr(space, "render", Same(obs[envs.PIXELS][1]))
    assert not np.array_equal(action({}), before), "another image of the goal"


def test_a_batch_does_not_depend_on_the_environments_goals_and_rewards(trainer: Trainer) -> None:
    ring = trainer.ring
    generator = ring.generator.get_state()
    before = ring.sample(64)
    for name in ("goal_position", "reward"):
        ring.storage.tables[name] += 7
    ring.generator.set_state(generator)
    after = ring.sample(64)
    for name in ("goal_position", "reward"):
        ring.storage.tables[name] -= 7
    assert set(before.obs) == set(before.next_obs) == {"vector", "pixels"}
    vector, next_vector = before.obs["vector"], before.next_obs["vector"]
    assert vector.shape[1] == (14 if trainer.config.latent_input != "off" else 10)
    if trainer.config.latent_input != "off":  # the latent, and goals relative to it
        assert torch.allclose(vector[:, 10:], before.achieved_goal)
        assert torch.allclose(before.goal + vector[:, 10:], before.next_goal + next_vector[:, 10:], atol=1e-5)
    assert differences(vars(before), vars(after)) == []
    assert (before.reward <= 0).all() and len(before.reward.unique()) > 30, "distances"


def test_rendering_goals_changes_nothing_of_the_environments(trainer: Trainer) -> None:
    states = copy.deepcopy(trainer.train_envs.get_states())
    assert trainer.latent is not None
    trainer.latent.render(np.array([[1.3, 0.7, 0.42], [1.4, 0.8, 0.42]]))
    for one, other in zip(states, trainer.train_envs.get_states(), strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in ("physics", "xpos", "xquat", "goal"))


def test_an_image_of_where_the_object_lies_after_a_reset_is_the_environments_own() -> None:
    """The hand as after a reset, the object at the goal: so its own place as the goal gives its own image."""
    view = envs.CameraConfig(("close", "mirror"))
    vec = envs.make_vec("FetchPush-v4", 2, view=view, workers=0, seed=4)
    obs, _ = vec.reset()
    render = envs.GoalImages(envs.find_spec("FetchPush-v4"), view)
    images = render(obs["achieved_goal"])
    assert np.array_equal(images, obs[envs.PIXELS]) and not np.array_equal(images[0], images[1])
    assert not np.array_equal(render(obs["desired_goal"]), images)
    render.close()
    vec.close()


def test_a_goal_with_the_arm_elsewhere_differs_in_the_object_alone() -> None:
    render = envs.GoalImages(envs.find_spec("FetchPush-v4"), envs.CameraConfig(("close",)))
    goals = np.array([[1.3, 0.7, 0.42], [1.4, 0.8, 0.42]])
    at_rest = render.poses(goals)
    others = at_rest + 0.125
    poses = render.poses(goals, others)
    kept = (poses == others).all(0)
    assert (~kept).sum() == 7 and np.array_equal(poses[:, ~kept], at_rest[:, ~kept]), "place and quaternion"
    assert all(goal in pose[~kept].tolist() for goal, pose in zip(goals[:, 0], poses, strict=True))


def test_open_episodes_are_shown_the_goals_that_the_vae_makes_of_them_now(trainer: Trainer) -> None:
    shown = trainer.collector.shown
    assert shown is not None and trainer.latent is not None
    before = shown.goal.clone()
    trainer.latent.learn_again(trainer.ring, 2)
    trainer.collector.refresh_goals()
    shown = trainer.collector.shown
    assert shown is not None and not shown.goal.equal(before)
    newest = trainer.ring.storage.cursors["newest"] * 2 + torch.arange(2)
    places, pixels = (trainer.ring.storage.tables[name][newest] for name in ("goal_position", "pixels"))
    desired, achieved = trainer.latent.desired(places.numpy()).float(), trainer.latent.encode(pixels).float()
    if trainer.config.latent_input != "off":
        desired = desired - achieved
        assert torch.allclose(shown.obs["vector"][:, 10:], achieved, atol=1e-6)
    assert torch.allclose(shown.goal, desired, atol=1e-6)


def test_a_blindfolded_policy_sees_no_latent_either(trainer: Trainer) -> None:
    obs = {name: part.copy() for name, part in trainer.train_envs.reset(seed=1)[0].items()}
    opens, changed = np.ones(2, bool), obs | {envs.PIXELS: 255 - obs[envs.PIXELS]}

    def seen(given: dict[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
        shown = trainer.policy.observe(given, trainer.policy.new_frames(), opens, "black")
        return shown.obs | {"goal": shown.goal}

    assert differences(seen(obs), seen(changed)) == []


@pytest.mark.parametrize("goals", [CONDITIONAL, SPATIAL], ids=["skewed", "places"])
def test_a_stopped_run_goes_on_bit_for_bit_and_its_model_is_enough_to_evaluate(
    goals: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between two trainings of a VAE, at 160 and 240 steps."""
    flags = (*goals, "--total-steps", "248")
    assert tiny("whole", *flags) == 0
    with monkeypatch.context() as patch:
        at_step(patch, 184, lambda one: stop(one, signal.SIGTERM))
        assert tiny("run", *flags) == 128 + signal.SIGTERM
    assert run("--resume", "run") == 0
    assert metrics(Path("run")) == metrics(Path("whole")) and metrics(Path("run"))[-1]["eval_distance_cm"]
    assert differences(saved_state(Path("run")), saved_state(Path("whole"))) == []
    model = checkpoint.load(Path("run", checkpoint.MODEL), "cpu")
    assert differences(model, checkpoint.load(Path("whole", checkpoint.MODEL), "cpu")) == []
    evaluator = Evaluator(from_json(model["config"]))
    try:
        evaluator.load(Path("run", checkpoint.MODEL))
        again = evaluate(evaluator.eval_envs, evaluator.policy, 2, evaluator.seeds["evaluation"])
    finally:
        evaluator.close()
    assert f"{again.distance_cm:.9g}" == metrics(Path("run"))[-1]["eval_distance_cm"]
    loaded = pixel_push.load("run")
    with loaded.make_env() as env:
        seen = env.reset(seed=0)[0]
        action, _ = loaded.predict(seen, deterministic=True)
        shown = {name: np.asarray(part)[None] for name, part in seen.items()}
        played = evaluator.policy.deterministic()(shown, np.ones(1, bool))
    assert np.allclose(action, played[0], atol=1e-5)


def test_the_readout_is_a_linear_regression_tested_where_it_was_not_fitted() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 3, generator=generator).double()
    outputs = inputs @ torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]]).double() + 5
    fitted = torch.arange(60) < 40
    exact = latent.r_squared(inputs, outputs, fitted, ~fitted)
    assert exact.score == pytest.approx(1) and exact.median < 1e-6
    assert abs(latent.r_squared(torch.zeros_like(inputs), outputs, fitted, ~fitted).score) < 0.2
    outputs[~fitted] += torch.randn(20, 2, generator=generator).double()
    error = inputs[~fitted] @ torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]]).double() + 5 - outputs[~fitted]
    spread = outputs[~fitted] - outputs[~fitted].mean(0)
    expected = 1 - float(error.square().sum() / spread.square().sum())
    assert latent.r_squared(inputs, outputs, fitted, ~fitted).score == pytest.approx(expected)


def test_flags_of_latent_goals_do_nothing_by_default() -> None:
    assert Config().goals == Latent.goals == "environment" and Config().reward_range == (-1.0, 0.0)


def test_the_goals_of_each_observation_are_computed_once(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice in a step that ends episodes of 10: the last observation, and the first of the next."""
    assert trainer.latent is not None
    spy = Mock(wraps=trainer.latent.goals)
    monkeypatch.setattr(trainer.latent, "goals", spy)
    counts: list[int] = []
    for _ in range(10):
        trainer.collector.begin_step(explore_only=True)
        trainer.collector.end_step()
        counts.append(spy.call_count - sum(counts))
    assert sorted(counts) == [1] * 9 + [2]
