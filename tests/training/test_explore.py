"""Exploration: how much of it, where it heads, and that it can be saved."""

from __future__ import annotations

import pytest
import torch

import envs
from training.explore import FEWEST, MOST, MOST_GRASPING, Explorer

POLICY = torch.full((1000, 4), 0.123)
LANES = torch.arange(1000)


def explorer(random_actions: float, guided_episodes: float, num_envs: int = 1000, grasps: bool = False) -> Explorer:
    return Explorer(num_envs, 4, random_actions, guided_episodes, grasps, "cpu", seed=0)


def test_random_actions_replace_their_share_and_are_uniform() -> None:
    made = explorer(0.3, 0.0)
    action = torch.stack([made.explore(POLICY, None) for _ in range(20)])
    replaced = (action != 0.123).any(-1)
    assert replaced.float().mean().item() == pytest.approx(0.3, abs=0.01)
    drawn = action[replaced]
    assert drawn.abs().max() <= 1 and drawn.mean(0).abs().max() < 0.03
    assert drawn.var(0).sub(1 / 3).abs().max() < 0.02  # of a uniform number in [-1, 1]


def test_without_a_policy_every_action_is_random() -> None:
    action = explorer(0.0, 0.0).explore(None, None)
    assert action.unique().numel() == action.numel()


@pytest.mark.parametrize(
    ("share", "success_rate", "expected"), [(1.0, 0.0, 1.0), (1.0, 0.2, 0.512), (0.5, 0.5, 0.0625)]
)
def test_guided_episodes_fade_with_success(share: float, success_rate: float, expected: float) -> None:
    made = explorer(0.0, share)
    made.begin(LANES, success_rate)
    guided = made.guided_steps > 0
    assert guided.float().mean().item() == pytest.approx(expected, abs=0.05)
    assert made.guided_steps[guided].min() == FEWEST and made.guided_steps[guided].max() == MOST


def test_a_guided_episode_goes_back_to_the_policy_after_its_steps() -> None:
    made = explorer(0.0, 1.0)
    made.begin(LANES, 0.0)
    steps = made.guided_steps.clone()
    to_object = torch.zeros(1000, 3)
    followed = torch.stack([(made.explore(POLICY, to_object) == POLICY).all(-1) for _ in range(MOST + 2)])  # (T, N)
    assert (~followed).sum(0).equal(steps)
    assert followed[MOST:].all()


def test_guidance_pushes_the_object_where_it_is_heading() -> None:
    """Played in the environment itself, against the same number of random actions."""
    moved, straight = {}, torch.empty(0)
    for share in (0.0, 1.0):
        vec, made = envs.make_vec("FetchPush-v4", 8, workers=0), explorer(0.0, share, num_envs=8)
        obs, _ = vec.reset(seed=0)
        before = torch.from_numpy(obs["achieved_goal"].copy())
        made.begin(torch.arange(8), 0.0)
        made.guided_steps[:] = MOST
        for _ in range(MOST):
            to_object = torch.from_numpy(envs.take(obs["observation"], ["object_rel_pos"])).float()
            obs, *_ = vec.step(made.explore(None, to_object).numpy())
        way = (torch.from_numpy(obs["achieved_goal"]) - before)[:, :2]
        moved[share] = way.norm(dim=1).median().item()
        straight = (way * made.heading).sum(1) / way.norm(dim=1)
        vec.close()
    assert moved[0.0] < 0.01 and moved[1.0] > 0.05
    assert straight.median() > 0.9


def test_guidance_lifts_the_object_where_the_fingers_move() -> None:
    vec, made = envs.make_vec("FetchPickAndPlace-v4", 8, workers=0), explorer(0.0, 1.0, num_envs=8, grasps=True)
    obs, _ = vec.reset(seed=0)
    lying = obs["achieved_goal"][:, 2].copy()
    made.begin(torch.arange(8), 0.0)
    made.guided_steps[:] = MOST_GRASPING
    for _ in range(MOST_GRASPING):
        to_object = torch.from_numpy(envs.take(obs["observation"], ["object_rel_pos"])).float()
        obs, *_ = vec.step(made.explore(None, to_object).numpy())
    lifted = obs["achieved_goal"][:, 2] - lying
    vec.close()
    assert (lifted > 0.02).sum() >= 6


def test_a_loaded_explorer_goes_on_with_the_same_numbers() -> None:
    made, to_object = explorer(0.3, 1.0), torch.full((1000, 3), 0.01)
    made.begin(LANES, 0.2)
    made.explore(POLICY, to_object)
    state = {name: value.clone() for name, value in made.state_dict().items()}
    expected = [made.explore(POLICY, to_object) for _ in range(3)]
    other = explorer(0.3, 1.0)
    other.load_state_dict(state)
    assert all(other.explore(POLICY, to_object).equal(action) for action in expected)
