"""Exploration: how much of it, where it heads, and that it can be saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import envs
from tests.training.runs import tiny, tiny_config
from training.config.flags import Config
from training.rollout.exploration import FEWEST, MOST, MOST_GRASPING, Explorer, NoiseSchedule
from training.trainer import Trainer

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


@pytest.mark.parametrize(("grasps", "most"), [(False, MOST), (True, MOST_GRASPING)])
@pytest.mark.parametrize(
    ("share", "success_rate", "expected"), [(1.0, 0.0, 1.0), (1.0, 0.2, 0.512), (0.5, 0.5, 0.0625)]
)
def test_guided_episodes_fade_with_success(
    share: float, success_rate: float, expected: float, grasps: bool, most: int
) -> None:
    made = explorer(0.0, share, grasps=grasps)
    made.begin(LANES, success_rate)
    guided = made.guided_steps > 0
    assert guided.float().mean().item() == pytest.approx(expected, abs=0.05)
    assert made.guided_steps[guided].min() == FEWEST and made.guided_steps[guided].max() == most


def test_pushes_head_everywhere() -> None:
    made = explorer(0.0, 1.0)
    made.begin(LANES, 0.0)
    assert made.heading.norm(dim=1).sub(1).abs().max() < 1e-6
    assert made.heading.mean(0).abs().max() < 0.1 and made.heading.var(0).sub(0.5).abs().max() < 0.1


def test_a_guided_episode_goes_back_to_the_policy_after_its_steps() -> None:
    made = explorer(0.0, 1.0)
    made.begin(LANES, 0.0)
    steps = made.guided_steps.clone()
    to_object = torch.zeros(1000, 3)
    followed = torch.stack([(made.explore(POLICY, to_object) == POLICY).all(-1) for _ in range(MOST + 2)])  # (T, N)
    assert (~followed).sum(0).equal(steps)
    assert followed[MOST:].all()


def play(env_id: str, made: Explorer, steps: int, guided: bool) -> torch.Tensor:
    """From 8 fresh episodes in the environment itself: how far each object went (8, 3)."""
    vec = envs.make_vec(env_id, 8, workers=0)
    obs, _ = vec.reset(seed=0)
    before = torch.from_numpy(obs["achieved_goal"].copy())
    made.begin(torch.arange(8), 0.0)
    made.guided_steps[:] = steps if guided else 0
    for _ in range(steps):
        to_object = torch.from_numpy(envs.take(obs["observation"], ["object_rel_pos"])).float()
        obs, *_ = vec.step(made.explore(None, to_object).numpy())
    way = torch.from_numpy(obs["achieved_goal"]) - before
    vec.close()
    return way.float()


@pytest.mark.parametrize("env_id", ["FetchPush-v4", "FetchSlide-v4"])
def test_guidance_pushes_the_object_where_it_is_heading(env_id: str) -> None:
    made = explorer(0.0, 1.0, num_envs=8)
    assert play(env_id, made, MOST, guided=False)[:, :2].norm(dim=1).median() < 0.01
    way = play(env_id, made, MOST, guided=True)[:, :2]
    assert way.norm(dim=1).median() > 0.05
    assert ((way * made.heading).sum(1) / way.norm(dim=1)).median() > 0.9


def test_guidance_lifts_the_object_where_the_fingers_move() -> None:
    made = explorer(0.0, 1.0, num_envs=8, grasps=True)
    assert (play("FetchPickAndPlace-v4", made, MOST_GRASPING, guided=False)[:, 2] > 0.02).sum() <= 2  # by chance
    assert (play("FetchPickAndPlace-v4", made, MOST_GRASPING, guided=True)[:, 2] > 0.02).sum() >= 6


def test_a_loaded_explorer_goes_on_with_the_same_numbers() -> None:
    made, to_object = explorer(0.3, 1.0), torch.full((1000, 3), 0.01)
    made.begin(LANES, 0.2)
    made.explore(POLICY, to_object)
    state = {name: value.clone() for name, value in made.state_dict().items()}
    expected = [made.explore(POLICY, to_object) for _ in range(3)]
    other = explorer(0.3, 1.0)
    other.load_state_dict(state)
    assert all(other.explore(POLICY, to_object).equal(action) for action in expected)


@pytest.mark.parametrize(
    ("env_id", "grasps"), [("FetchPickAndPlace-v4", True), ("FetchPush-v4", False), ("FetchReach-v4", False)]
)
def test_a_session_grasps_where_the_fingers_move(env_id: str, grasps: bool) -> None:
    made = Trainer(Config(env_id=env_id, buffer_size=100, workers=0, device="cpu"))
    assert made.collector.explorer.grasps == grasps
    made.close()


def test_noise_falls_in_a_straight_line_and_stays() -> None:
    schedule = NoiseSchedule.parse("linear(1.0,0.1,100000)")
    steps = (0, 50_000, 100_000, 1_000_000)
    assert [schedule.at(step) for step in steps] == pytest.approx([1, 0.55, 0.1, 0.1])
    made = explorer(0.0, 0.0)
    made.noise = 0.3
    spread = torch.stack([made.explore(0 * POLICY, None) for _ in range(20)])
    assert spread.std().item() == pytest.approx(0.3, abs=0.01) and spread.mean().abs() < 0.01
    made.noise = 10.0
    assert made.explore(POLICY, None).abs().max() == 1


def test_a_run_with_a_schedule_acts_by_the_mean_plus_noise_of_its_step() -> None:
    config = tiny_config(
        "--env-id", "FetchReach-v4", "--random-actions", "0", "--exploration-noise", "linear(0.4,0,200)"
    )
    with Trainer(config) as trainer:
        trainer.start()
        explorer = trainer.collector.explorer
        for step, noise in ((0, 0.4), (100, 0.2), (200, 0.0), (900, 0.0)):
            trainer.set_progress(step)
            assert explorer.noise == pytest.approx(noise)
            before = trainer.agent.generator.get_state()
            trainer.collector.begin_step(explore_only=False)
            assert trainer.agent.generator.get_state().equal(before)  # nothing was sampled of the policy
            assert trainer.collector.shown is not None
            mean = trainer.policy.act(trainer.collector.shown, deterministic=True).action
            assert trainer.collector.action.equal(mean) == (noise == 0)
            trainer.collector.end_step()


@pytest.mark.parametrize(
    "schedule", ["0.2", "linear(1,0.1)", "linear(1,0.1,0)", "linear(a,b,c)", "linear(nan,0,9)", "linear(-1,0,9)", ""]
)
def test_what_is_no_schedule_is_one_sentence(schedule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tiny(tmp_path / "run", "--exploration-noise", schedule) == 2
    error = capsys.readouterr().err.strip()
    assert f"--exploration-noise: {schedule!r} is no schedule: write" in error and "\n" not in error
    assert not (tmp_path / "run").exists()
