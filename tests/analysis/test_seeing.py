"""The commands that look at what an agent sees, against images drawn apart from them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import envs
from analysis import cameras, compare, feature_stats, probe, scenes
from envs.rendering.renderer import Renderer, object_columns
from training.config.presets import PRESETS
from training.evaluator import Evaluator
from training.rollout.keypoints import keypoints


def test_scenes_are_the_stacked_images_of_their_poses(stacked: Evaluator) -> None:
    found = scenes.scenes(stacked, steps=3)
    pixels = found.obs["pixels"]
    images = np.zeros((6, 84, 84, 3), np.uint8)
    assert stacked.config.view is not None
    model = stacked.eval_envs.get_attr("stock")[0].model
    Renderer(model, dataclasses.replace(stacked.config.view, goal_marker=False)).render(found.poses, images)
    marked = np.zeros_like(images)
    Renderer(model, stacked.config.view).render(found.poses, marked)
    assert not np.array_equal(images, marked)  # the chapter's images show the goal
    older, newest = np.split(pixels, 2, axis=-1)
    assert np.array_equal(newest, marked)
    assert np.array_equal(older[2:], newest[:-2])  # environment by environment, one step before
    assert np.array_equal(older[:2], newest[:2])  # before the first image stands that image
    assert np.array_equal(found.next_poses[:-2], found.poses[2:])
    for name, values in found.obs.items():
        assert np.array_equal(found.next_obs[name][:-2], values[2:])
    stacked.eval_envs.close()


def test_the_object_is_where_an_image_without_it_differs(stacked: Evaluator) -> None:
    """Without it: where it has been taken far away, rather than made invisible."""
    stock = stacked.eval_envs.get_attr("stock")[0]
    poses = scenes.scenes(stacked, steps=2).poses
    away = poses.copy()
    away[:, object_columns(stock.model)[2]] = -50.0
    masks = cameras.object_masks(poses, stock, tuple(envs.CAMERAS))
    for number, name in enumerate(envs.CAMERAS):
        renderer, images = (
            Renderer(stock.model, envs.CameraConfig((name,))),
            np.zeros((2, len(poses), 84, 84, 3), np.uint8),
        )
        renderer.render(poses, images[0])
        renderer.render(away, images[1])
        renderer.close()
        assert np.array_equal(masks[..., number], (images[0] != images[1]).any(-1))
    assert masks.sum((1, 2)).max() > 20
    stacked.eval_envs.close()


def test_the_object_shows_in_each_image_wherever_a_goal_lies() -> None:
    """At the corners of where PickAndPlace and Slide have their goals, without the arm in front of them; each of the
    close cameras loses some."""
    for preset, corners in (("pick-and-place-pixels", 8), ("slide-pixels", 4)):
        config = PRESETS[preset]
        env = envs.make_env(config.env_id)
        env.reset(seed=0)
        stock: Any = env.unwrapped
        middle = stock.initial_gripper_xpos + stock.target_offset
        sides = [(middle[axis] - stock.target_range, middle[axis] + stock.target_range) for axis in (0, 1)]
        heights = stock.height_offset + np.array([0.0, 0.45] if stock.target_in_the_air else [0.0])
        poses = np.repeat(env.pose()[None], corners, axis=0)  # type: ignore[attr-defined]
        poses[:, object_columns(stock.model)[:3]] = list(itertools.product(*sides, heights))
        poses[:, stock.model.joint("robot0:slide0").qposadr[0]] -= 2.0  # the whole robot, back by 2 metres
        pixels = cameras.object_masks(poses, stock, (*config.cameras, "close", "mirror")).sum((1, 2))
        assert (pixels < cameras.FEWEST).any(0).tolist() == [False, False, True, True], preset


def test_the_object_is_put_where_goals_are(stacked: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def masks(poses: np.ndarray, stock: Any, names: tuple[str, ...]) -> np.ndarray:
        seen.append(poses[:, object_columns(stock.model)[:3]] - stock.initial_gripper_xpos)
        return np.ones((len(poses), 84, 84, len(names)), bool)

    monkeypatch.setattr(cameras, "object_masks", masks)
    assert cameras.main(["run", "--steps", "2", "--at-goals", "--cameras", "close", "1,132,-30,1.3,0.7,0.5"]) == 0
    assert seen[0].shape == (4, 3) and len(np.unique(seen[0][:, 0])) == 4  # but two episodes
    assert (np.abs(seen[0][:, :2]) <= 0.15).all()  # Push's range of goals


def test_the_width_is_from_the_first_column_to_the_last() -> None:
    masks = np.zeros((2, 5, 5, 1), bool)
    masks[0, 1, 1], masks[0, 3, 4] = True, True
    assert cameras.widths(masks).tolist() == [[4], [0]]


def test_what_sees_nothing_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command, name in ((cameras, "cameras"), (feature_stats, "feature_stats")):
        assert command.main(["push"]) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith(f"analysis.{name}: push sees no images (--obs state)")
        assert said.err.count("\n") == 1


def test_scenes_of_other_tasks_are_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    name = "reach-pixels --env-id PointMaze_UMaze-v3 --obs pixels+goal --cameras 6,90,-90,0,0,0 --hide target"
    for command in (cameras, feature_stats, probe):
        assert command.main([name]) == 2
        assert "is of PointMaze_UMaze-v3, and this looks into the scenes of Fetch" in capsys.readouterr().err


def test_a_result_that_cannot_be_true_is_not_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    results = Path(compare.__file__).parents[1] / "experiments" / "results"
    run = Path(shutil.copytree(results / "push-state" / "seed-0", tmp_path / "run"))
    final = json.loads((run / "eval.json").read_text())
    for wrong in (
        {"success_rate": 1.5}, {"success_rate": True}, {"episodes": 0}, {"episodes": 2.5}, {"episodes": math.inf},
        {"wall_seconds": None}, {"env_steps": -5}, {"env_steps": math.nan}, {"steps_to_90": "x"},
        {"blindfold_success_rate": "x"},
    ):  # fmt: skip
        (run / "eval.json").write_text(json.dumps(final | wrong))
        assert compare.main([str(run), "--out", str(tmp_path / "out.png")]) == 2
        assert "eval.json lacks a number, or has one that cannot be true" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_keypoints_are_those_of_the_stack_and_stand_on_the_newest_image(
    stacked: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder: Any = stacked.agent.encoder
    seen: list[torch.Tensor] = []
    corners = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]])  # (x, y)
    hook = encoder.convolutions.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    monkeypatch.setattr(encoder.pooling, "points", lambda maps: corners)
    look = keypoints(stacked.agent, frame_stack=2)
    first, second = (np.full((84, 84, 3), value, np.uint8) for value in (10, 20))
    look(first, True)
    film = look(second, False)
    hook.remove()
    assert [one[0, 0, 0].tolist() for one in seen] == [[10] * 6, [10] * 3 + [20] * 3]
    film, legend = np.split(film, [252])
    assert film.shape == (252, 252, 3) and legend.shape[1:] == (252, 3) and len(np.unique(legend.reshape(-1, 3))) > 2
    painted = np.argwhere((film != 20).any(-1))
    assert {tuple(corner) for corner in (painted.min(0), painted.max(0))} == {(0, 0), (251, 251)}
    assert len(painted) < 40  # two small squares
    stacked.eval_envs.close()


def test_runs_are_compared_by_what_differs_in_80_columns(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, image = Path(compare.__file__).parents[1] / "experiments" / "results", tmp_path / "compare.png"
    runs = [str(results / name / "seed-0") for name in ("push-state", "push-blind")]
    monkeypatch.setenv("COLUMNS", "80")
    assert compare.main([*runs, *runs[:1] * 7, "--out", str(image)]) == 0
    said = capsys.readouterr().out
    assert "--obs  state (1, 3, 4, 5, 6, 7, 8, 9); blind (2)\n" in said
    assert "--gamma" not in said  # the same in all
    assert all(len(line) <= 80 for line in said.splitlines() if str(tmp_path) not in line and "results" not in line)
    for number, run in enumerate(runs, start=1):
        final, versions = (json.loads(Path(run, name).read_text()) for name in ("eval.json", "versions.json"))
        low, high = final["ci95"]
        shown = [f"{number} {final['success_rate']:.1%} [{low:.0%}, {high:.0%}]", versions["commit"][:7]]
        assert any(all(part in line for part in shown) for line in said.splitlines())
    assert image.stat().st_size > 5000
    assert compare.main([]) == 2
    assert compare.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2
