"""What each observation layout keeps from the networks: change it, and no output changes. Change the rest, and it does.

The hidden numbers are changed where the environment hands them over and where the replay keeps them.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import envs
from agent import saving
from replay import Batch
from tests.agent.small import state_tensors
from training.config.flags import Config
from training.config.presets import PRESETS
from training.config.validation import check
from training.errors import UserError
from training.evaluator import Evaluator
from training.trainer import Trainer

TASKS = ["FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4"]
# layout -> (shows pixels, shows proprioception, shows the achieved goal), as the README has it. state shows all.
SHOWS = {
    "state": (False, True, True),
    "chapter": (True, True, True),
    "honest": (True, True, False),
    "pixels-only": (True, False, False),
    "blind": (False, True, True),
    "honest-blind": (False, True, False),
}
SIZES = {"state": 28, "chapter": 13, "honest": 10, "pixels-only": 0, "blind": 13, "honest-blind": 10}
PROPRIOCEPTION = [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]  # of the 25 numbers, none of them the object's
RECIPES = {"FetchSlide-v4": "slide-pixels", "FetchPickAndPlace-v4": "pick-and-place-pixels"}
HIDDEN_IN_REACH = ("honest", "honest-blind")


def config_of(env_id: str, obs: Any, **changes: Any) -> Config:
    """Our own recipe where there are pixels, whose goals are seen from an estimate; the rest as in push."""
    recipe = PRESETS[RECIPES.get(env_id, "push-pixels") if SHOWS[obs][0] and not SHOWS[obs][2] else "push"]
    small: dict[str, Any] = {
        "workers": 0,
        "device": "cpu",
        "buffer_size": 400,
        "num_envs": 2,
        "her_ratio": 0.0,
        "batch_size": 8,
    }
    return dataclasses.replace(recipe, env_id=env_id, obs=obs, hidden_width=16, **(small | changes))


PAIRS = [(task, obs) for task in TASKS for obs in SHOWS if not ("Reach" in task and obs in HIDDEN_IN_REACH)]


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def trainer(request: pytest.FixtureRequest) -> Iterator[Trainer]:
    env_id, obs = request.param
    one = Trainer(config_of(env_id, obs))
    one.start()
    for _ in range(6):
        one.collector.begin_step(explore_only=True)
        one.collector.end_step()
    yield one
    one.close()


def action_of(trainer: Trainer, obs: dict[str, np.ndarray]) -> np.ndarray:
    return trainer.policy.deterministic()(obs, np.ones(2, bool))


def changed(obs: dict[str, np.ndarray], key: str, at: Any = slice(None)) -> dict[str, np.ndarray]:
    """`obs` with other numbers of `key`, in the columns `at`."""
    other = obs[key].copy()
    other[..., at] = other[..., at] + 9 if key == envs.PIXELS else other[..., at] + 0.031
    return {**obs, key: other}


def learned(trainer: Trainer, batch: Batch) -> list[torch.Tensor]:
    """What one update makes of the agent, which is left as it was: targets, losses and actions all went into it."""
    sac = trainer.learner.sac
    before = copy.deepcopy(saving.state_dict(sac))
    sac.update(batch)
    after = state_tensors(sac)
    saving.load_state_dict(sac, before)
    return after


def test_networks_see_what_the_layout_names_and_nothing_else(trainer: Trainer) -> None:
    pixels, proprioception, achieved = SHOWS[trainer.config.obs]
    obs, _ = trainer.train_envs.reset(seed=1)
    obs = {key: value.copy() for key, value in obs.items()}
    own = PROPRIOCEPTION if obs["observation"].shape[1] == 25 else list(range(10))
    others = [column for column in range(obs["observation"].shape[1]) if column not in own]
    parts = {
        "desired_goal": (changed(obs, "desired_goal"), True),
        "achieved_goal": (changed(obs, "achieved_goal"), achieved),
        "proprioception": (changed(obs, "observation", own), proprioception),
    }
    if others:
        parts["object"] = (changed(obs, "observation", others), trainer.config.obs == "state")
    if pixels:
        parts["pixels"] = (changed(obs, envs.PIXELS), True)
    before = action_of(trainer, obs)
    for name, (other, seen) in parts.items():
        assert np.array_equal(action_of(trainer, other), before) != seen, name
    assert (envs.PIXELS in obs) == pixels
    in_reach = {"state": 13}  # the others have the same numbers there
    assert trainer.agent.config.vector_size == (SIZES if others else SIZES | in_reach)[trainer.config.obs]


def test_a_batchs_inputs_do_not_depend_on_a_hidden_achieved_goal(trainer: Trainer) -> None:
    """Without relabelling, for a relabelled goal is an achieved one by definition."""
    generator = trainer.ring.generator.get_state()
    (before,) = trainer.eager_updates.batches(1)[0][:1]
    trainer.ring.storage.tables["achieved_goal"] += 0.017
    trainer.ring.generator.set_state(generator)
    (after,) = trainer.eager_updates.batches(1)[0][:1]
    same = before.goal.equal(after.goal) and before.next_goal.equal(after.next_goal)
    shown = SHOWS[trainer.config.obs][2]
    assert same != shown  # goals are handed out as seen from the achieved goal, where the layout shows that
    assert before.obs["vector"].equal(after.obs["vector"]) and before.next_obs["vector"].equal(after.next_obs["vector"])
    assert not before.achieved_goal.equal(after.achieved_goal)  # the regression's target, which is no input:
    trainer.agent.auxiliary_losses = lambda *_: iter(())  # type: ignore[method-assign]
    one, other = learned(trainer, before), learned(trainer, after)
    assert all(a.equal(b) for a, b in zip(one, other, strict=True)) != shown


@pytest.mark.parametrize(("pooling", "inputs"), [("spatial-softmax", 80), ("flat", 66)])
def test_the_chapters_actor_reads_as_many_numbers_as_the_chapter_says(pooling: Any, inputs: int) -> None:
    """What the images gave, proprioception, achieved and desired goal."""
    evaluator = Evaluator(dataclasses.replace(PRESETS["book-pixels"], pooling=pooling, device="cpu"), workers=0)
    assert next(one for one in evaluator.agent.actor.modules() if isinstance(one, nn.Linear)).in_features == inputs
    evaluator.close()


@pytest.mark.parametrize("obs", HIDDEN_IN_REACH)
def test_reach_cannot_be_honest(obs: str) -> None:
    with pytest.raises(UserError, match="in Reach that is the gripper's position, which proprioception holds"):
        check(config_of("FetchReach-v4", obs))


def test_other_environments_have_their_numbers_only() -> None:
    with pytest.raises(UserError, match="made for the Fetch tasks, where it is known"):
        check(config_of("PointMaze_UMaze-v3", "blind"))


@pytest.mark.parametrize(
    ("obs", "amount", "columns"),
    [("chapter", "none", []), ("honest", "none", []), ("blind", "none", []), ("honest", "minimal", [0, 1, 2, 9, 10]),
     ("blind", "minimal", [0, 1, 2, 9, 10]), ("honest", "full", PROPRIOCEPTION)],
)  # fmt: skip
def test_proprioception_can_be_left_out_or_shown_without_velocities(obs: str, amount: Any, columns: list[int]) -> None:
    layout = config_of("FetchPush-v4", obs, proprioception=amount).layout
    vec = envs.make_vec("FetchPush-v4", 2, workers=0, seed=0)
    seen, _ = vec.reset()
    expected = np.concatenate([seen["observation"][:, columns], seen["achieved_goal"][:, : 3 * SHOWS[obs][2]]], axis=1)
    assert np.array_equal(envs.vector_of(seen, layout), expected.astype(np.float32))
    assert envs.vector_size(vec.single_observation_space, layout) == expected.shape[1]
    vec.close()


def test_inputs_are_finite_and_actions_in_bounds(trainer: Trainer) -> None:
    for _ in range(3):
        trainer.collector.begin_step(explore_only=False)
        trainer.collector.end_step()
        assert torch.isfinite(trainer.collector.action).all() and trainer.collector.action.abs().max() <= 1
