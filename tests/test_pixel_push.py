"""A trained policy from Python: it acts as in evaluations, SB3 plays with it, and mistakes are sentences."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import envs
import eval as evaluation
import pixel_push
from agent import accelerate
from replay import Ring
from replay.storage import Storage
from tests.envs import unruly
from tests.training.runs import TINY, tiny
from training import checkpoint, logger, run_folder
from training import evaluator as evaluator
from training.config import cli
from training.evaluator import Evaluator
from training.rollout.evaluate import evaluate
from training.trainer import Trainer

STACKED = ("push-pixels", "--num-envs", "2", "--frame-stack", "2")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluator, "EVAL_ENVS", 2)


@pytest.fixture
def saved(request: pytest.FixtureRequest) -> Iterator[Evaluator]:
    """What evaluates the flags that the test names, with its networks saved as a run's in the folder `run`."""
    unruly.register()
    preset, *flags = request.param
    one = Evaluator(cli.parse([preset, *TINY, *flags]))
    seen = one.eval_envs.reset(seed=11)[0]
    one.agent.update_normalizers(*one.policy.without_images(seen).vectors)  # means and deviations unlike 0 and 1
    Path("run").mkdir()
    Path("run", run_folder.CONFIG).write_text(one.config.to_json())
    checkpoint.save({"policy": one.agent.policy_state(), "step": 8}, Path("run", checkpoint.MODEL))
    yield one
    one.close()


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has it, wherever this runs."""
    monkeypatch.setattr(accelerate, "has_bfloat16", lambda device: True)


def row(obs: dict[str, Any], *rows: int) -> dict[str, Any]:
    return {key: array[list(rows)] for key, array in obs.items()}


@pytest.mark.parametrize(
    "saved",
    [("push",), ("push", "--env-id", "Unruly-v0"), STACKED, ("push-pixels-chapter", "--num-envs", "2")],
    ids=["state", "wide", "stacked", "chapter"],
    indirect=True,
)
@pytest.mark.usefixtures("bfloat16")
def test_it_sees_and_acts_as_in_evaluations(saved: Evaluator) -> None:
    """Beside the environments and the acting of an evaluation, over ends of episodes: the same bits, one or a batch."""
    vec = saved.eval_envs
    policy = pixel_push.load("run")
    both, first = saved.policy.deterministic(), saved.policy.deterministic()
    ours = [policy.make_env() for _ in range(2)]
    vec.set_attr("_max_episode_steps", 4)
    for env in ours:
        env.set_wrapper_attr("_max_episode_steps", 4)
    theirs, opens, ends = vec.reset(seed=5)[0], np.ones(2, bool), 0
    seen = [env.reset(seed=5 + i)[0] for i, env in enumerate(ours)]
    state = first_state = None
    for _ in range(10):
        batch = {key: np.stack([one[key] for one in seen]) for key in seen[0]}
        for key, array in theirs.items():  # of stacked pixels, the newest
            assert np.array_equal(batch[key][..., -array.shape[-1] :], array), key
        action, state = policy.predict(batch, state, opens, deterministic=True)
        expected = both(theirs, opens)
        assert np.array_equal(action, expected) and action.dtype == policy.action_space.dtype
        assert (state is not None) == saved.config.goal_motion
        alone, first_state = policy.predict(seen[0], first_state, opens[:1], deterministic=True)
        assert np.array_equal(alone, first(row(theirs, 0), opens[:1])[0]) and policy.action_space.contains(alone)
        assert policy.observation_space.contains(seen[0])
        theirs, _, terminated, truncated, _ = vec.step(expected)
        opens = terminated | truncated
        stepped = [env.step(one) for env, one in zip(ours, expected, strict=True)]
        assert [stop or cut for _, _, stop, cut, _ in stepped] == opens.tolist()
        ends += opens.sum()
        seen = [env.reset()[0] if ended else one[0] for env, one, ended in zip(ours, stepped, opens, strict=True)]
    assert ends >= 4
    for env in ours:
        env.close()


@pytest.mark.parametrize("saved", [("reach", "--env-id", "FetchReachDense-v4")], indirect=True)
def test_sb3_plays_the_episodes_of_an_evaluation_with_it(saved: Evaluator) -> None:
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import DummyVecEnv

    policy: Any = pixel_push.load("run")
    vec = DummyVecEnv([policy.make_env] * 2)
    vec.seed(3)
    returns, lengths = evaluate_policy(policy, vec, 2, deterministic=True, return_episode_rewards=True, warn=False)
    assert lengths == [50, 50] and np.ptp(returns) > 0.1
    assert returns == pytest.approx(evaluate(saved.eval_envs, saved.policy, 2, seed=3).returns, rel=1e-5)


@pytest.mark.parametrize("saved", [("push",)], indirect=True)
def test_samples_differ_and_are_seeded(saved: Evaluator) -> None:
    """By default it samples, as SB3's predict does."""
    obs = saved.eval_envs.reset(seed=5)[0]

    def sampled(seed: int, **flags: Any) -> list[NDArray[Any]]:
        policy = pixel_push.load("run", seed=seed)
        return [policy.predict(obs, **flags)[0] for _ in range(3)]

    best = pixel_push.load("run").predict(obs, deterministic=True)[0]
    first, second, third = sampled(1)
    assert len(np.unique([best, first, second, third])) == 4 * best.size
    assert np.array_equal(sampled(1, deterministic=False), [first, second, third])
    assert not np.isin(sampled(2), [first, second, third]).any()


@pytest.mark.parametrize("saved", [("push",)], indirect=True)
def test_it_acts_with_one_thread_and_leaves_torchs_number_alone(
    saved: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, seen = pixel_push.load("run"), list[int]()
    act = policy._policy.act

    def counted(*how: Any) -> Any:
        seen.append(torch.get_num_threads())
        return act(*how)

    monkeypatch.setattr(policy._policy, "act", counted)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        policy.predict(saved.eval_envs.reset(seed=5)[0])
        assert seen == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


NUMBERS: dict[str, Any] = {"observation": np.zeros(25), "achieved_goal": np.zeros(3), "desired_goal": np.zeros(3)}
PIXELS = np.zeros((84, 84, 12), np.uint8)
WHOLE: dict[str, Any] = NUMBERS | {"pixels": PIXELS}
TAKES = "but this policy takes float64 of shape (3,), or (N, 3) in a batch, as make_env() observes it."
WRONG: dict[str, tuple[Any, str]] = {
    "an array": (np.zeros(25), "predict takes a dict of achieved_goal, desired_goal, observation, pixels, as make_env"),
    "no pixels": (NUMBERS, "not one of observation, achieved_goal, desired_goal."),
    "a goal of 4": ({"desired_goal": np.zeros(4)}, f"desired_goal is float64 of shape (4,), {TAKES}"),
    "no axis": ({"desired_goal": 1.0}, f"desired_goal is float64 of shape (), {TAKES}"),
    "two axes more": ({"desired_goal": np.zeros((1, 2, 3))}, f"desired_goal is float64 of shape (1, 2, 3), {TAKES}"),
    "a batch of one key": (
        {"achieved_goal": np.zeros((2, 3))},
        "predict was given achieved_goal of shape (2, 3) but pixels of shape (84, 84, 12): give one observation, or",
    ),
    "batches of two sizes": (
        {key: np.zeros((2 + (key == "desired_goal"), *a.shape), a.dtype) for key, a in WHOLE.items()},
        "was given pixels of shape (2, 84, 84, 12) but desired_goal of shape (3, 3): give",
    ),
    "text": ({"achieved_goal": np.array(list("abc"))}, "achieved_goal is <U1 of shape (3,), but"),
    "one image of two": ({"pixels": PIXELS[..., :6]}, "pixels is uint8 of shape (84, 84, 6), but this policy takes"),
    "fractions of white": ({"pixels": PIXELS / 255.0}, "takes uint8 of shape (84, 84, 12), or (N, 84, 84, 12) in"),
}  # fmt: skip


@pytest.mark.parametrize("saved", [STACKED], indirect=True)
def test_what_is_no_observation_is_refused_in_a_sentence(saved: Evaluator) -> None:
    policy = pixel_push.load("run")
    assert policy.predict(WHOLE | {"more": None})[0].shape == (4,)
    for name, (wrong, complaint) in WRONG.items():
        obs = WHOLE | wrong if isinstance(wrong, dict) and wrong is not NUMBERS else wrong
        with pytest.raises(ValueError) as refusal:
            policy.predict(obs)
        said = str(refusal.value)
        assert complaint in said and said.endswith(".") and said.count(". ") == 0 and "\n" not in said, name


@pytest.mark.parametrize("saved", [STACKED], indirect=True)
def test_a_state_of_other_observations_is_refused_in_a_sentence(saved: Evaluator) -> None:
    policy = pixel_push.load("run")
    two = {key: np.stack([array, array]) for key, array in WHOLE.items()}
    state = policy.predict(two)[1]
    assert policy.predict(two, state, np.array([True, False]))[1] is not None
    wrong_ones: list[Any] = [(policy.predict(WHOLE)[1], None), ((), None), (state, np.array([True])), ((1.0,), None)]
    for wrong, opens in wrong_ones:
        with pytest.raises(ValueError, match=r"^predict was given 2 observations: the state that .* of as many\.$"):
            policy.predict(two, wrong, opens)


@pytest.mark.parametrize("saved", [STACKED], indirect=True)
def test_lists_and_views_will_do(saved: Evaluator) -> None:
    """Numbers in lists and float32, images that are views with negative strides: read, not warned of, not changed."""
    policy = pixel_push.load("run")
    numbers = {key: np.linspace(0.5, 1, array.size, dtype=np.float32) for key, array in NUMBERS.items()}
    pixels = np.random.default_rng(0).integers(256, size=PIXELS.shape, dtype=np.uint8)
    view = np.flip(np.flip(pixels).copy())
    view.flags.writeable = False
    expected, _ = policy.predict({key: a.astype(np.float64) for key, a in numbers.items()} | {"pixels": pixels},
                                 deterministic=True)  # fmt: skip
    listed = {key: array.tolist() for key, array in numbers.items()} | {"pixels": view}
    assert np.array_equal(policy.predict(listed, deterministic=True)[0], expected)


@pytest.mark.parametrize("saved", [STACKED], indirect=True)
def test_loading_builds_nothing_that_learns_steps_or_renders(saved: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    """And images from elsewhere are looked at without a GL library."""

    def built(*_: Any, **__: Any) -> None:
        pytest.fail("it was built")

    def no_gl() -> None:
        raise envs.RenderError("Nothing can be rendered: apt-get install libegl1")

    for part in (torch.optim.Optimizer, Ring, Storage, envs.GoalVectorEnv, Evaluator, Trainer):
        monkeypatch.setattr(part, "__init__", built)
    monkeypatch.setattr(envs, "check_gl", no_gl)
    policy = pixel_push.load("run")
    assert policy.predict(WHOLE)[0].shape == (4,)
    with pytest.raises(pixel_push.UserError, match=r"^Nothing can be rendered: apt-get install libegl1$"):
        policy.make_env()


@pytest.mark.parametrize("saved", [("push",)], indirect=True)
def test_what_is_no_run_is_refused_in_a_sentence(saved: Evaluator) -> None:
    def refused(run: str, complaint: str) -> None:
        with pytest.raises(pixel_push.UserError) as refusal:
            pixel_push.load(run)
        assert str(refusal.value).startswith(complaint)

    config = Path("run", run_folder.CONFIG)
    refused("missing", "missing is not the folder of a run")
    refused("run/best.pt", "run/best.pt does not exist: name the folder of a run that has saved one.")
    refused("run/config.json", "run/config.json is not the folder of a run")
    written = config.read_text()
    config.write_text(written.replace("FetchPush-v4", "FetchPsuh-v4"))
    refused("run", "There is no environment 'FetchPsuh-v4': did you mean FetchPush")
    config.write_text(written.replace('"hidden_width": 16', '"hidden_width": 32'))
    refused("run", "run/model.pt does not fit config.json.")


def test_a_run_is_loaded_and_played_as_the_readme_does(capsys: pytest.CaptureFixture) -> None:
    """Its latest model, or its best, which says how it was chosen; and either alone, wherever it lies."""
    assert tiny("run", "--env-id", "FetchReach-v4", "--total-steps", "480", "--eval-every", "80") == 0
    policy = pixel_push.load("run")
    env = policy.make_env()
    (obs, info), state, done, steps = env.reset(seed=0), None, False, 0
    while not done:
        action, state = policy.predict(obs, state, deterministic=True)
        obs, _, terminated, truncated, info = env.step(action)
        done, steps = terminated or truncated, steps + 1
    assert info["is_success"] in (0, 1) and steps == 50
    evaluated = {row["step"]: row["eval_success"] for row in logger.read_rows(Path("run"))}
    first_highest = max(evaluated, key=lambda step: (evaluated[step], -step))
    assert (policy.env_steps, policy.score) == (480, None)
    for name in (checkpoint.MODEL, checkpoint.BEST):
        os.replace(Path("run", name), name)
    shutil.rmtree("run")
    best, alone = pixel_push.load("best.pt"), pixel_push.load("model.pt")
    assert (best.env_steps, best.score) == (first_highest, max(evaluated.values()))
    assert np.array_equal(alone.predict(obs, deterministic=True)[0], policy.predict(obs, deterministic=True)[0])
    capsys.readouterr()
    for name, chosen in ((checkpoint.MODEL, None), (checkpoint.BEST, best.score)):
        assert evaluation.main([name, "--json", "--episodes", "2"]) == 0
        assert json.loads(capsys.readouterr().out).get("chosen_with") == chosen
    assert sorted(os.listdir()) == [checkpoint.BEST, checkpoint.MODEL]
