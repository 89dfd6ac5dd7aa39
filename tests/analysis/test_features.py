"""What a reader is told of an encoder's features, against images and arithmetic apart from it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from analysis import feature_stats, features, scenes
from envs.rendering.renderer import Renderer, object_columns
from training.config import cli
from training.evaluator import Evaluator

BOOK = ["book-pixels", "--render-size", "84"]


def test_an_untrained_agent_explores_and_its_inputs_and_shifts_are_printed(
    stacked: Evaluator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert feature_stats.main(["RUN", "--steps", "12"]) == 0
    said = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if line.startswith("│")]
    dims = [(row[0], int(row[1])) for row in cells[:9]]  # two numbers for each of 32 maps
    assert dims == [
        ("pixels", 64), ("proprioception", 10), ("grip_pos", 3), ("gripper_state", 2), ("grip_velp", 3),
        ("gripper_vel", 2), ("achieved goal", 3), ("desired goal", 3), ("concatenated", 80)
    ]  # fmt: skip
    assert "not a number: 0 of 1920" in said  # 12 steps of 2 environments
    assert "temperature of the SpatialSoftmax: 1.000" in said
    moved = re.search(r"its own motion \((\d+) of 24 steps\) +│ (\S+) +│ (\S+)", said)
    assert moved is not None and int(moved[1]) >= 3 and float(moved[2]) > 0 and float(moved[3]) > 0
    for row in ("an observation", "the next observation", "difference, an offset each"):
        numbers = re.search(rf"shift: {row} +│ (\S+) +│ (\S+)", said)
        assert numbers is not None and float(numbers[1]) > 0 and float(numbers[2]) > 0


@pytest.mark.parametrize("words", [BOOK, ["push-pixels"]])
def test_inputs_are_what_the_actor_is_given(words: list[str]) -> None:
    """The second reads an estimate in place of the features, and normalises; its goal is seen from the estimate."""
    one = Evaluator(
        dataclasses.replace(cli.parse([*words, "--threads", "1", "--num-envs", "2"]), device="cpu"), workers=0
    )
    found = scenes.scenes(one, steps=2, random_actions=1.0)
    shown = one.policy.without_images(found.obs)
    one.agent.update_normalizers(*shown.vectors)
    given: list[torch.Tensor] = []
    hook = one.agent.actor.mlp.register_forward_hook(lambda _, taken, __: given.append(taken[0]))
    one.agent.act(shown.obs | {"pixels": torch.from_numpy(found.obs["pixels"])}, shown.goal)
    hook.remove()
    read = features.inputs(one, found.obs)
    assert torch.cat(list(read.values()), dim=1).equal(given[0])
    if words is BOOK:  # nothing is normalised
        observation = torch.from_numpy(found.obs["observation"]).float()
        assert read["proprioception"].equal(observation[:, [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]])
        assert read["achieved goal"].equal(observation[:, 3:6])
        assert read["desired goal"].equal(torch.from_numpy(found.obs["desired_goal"]).float())
    else:
        sizes = {name: values.shape[1] for name, values in read.items()}
        estimate, goal_name = "estimate of the achieved goal", "desired goal - estimate"
        assert sizes == {"proprioception": 10, "motion of the estimate": 3, estimate: 3, goal_name: 3}
        unread = features.with_pixels(one, found.obs)["(pixels)"]
        assert unread.shape == (4, 50)  # of the flat trunk
        regression: Any = one.agent.goal_regression
        assert regression(torch.cat([unread, read["proprioception"]], dim=1)).equal(read[estimate])
    one.eval_envs.close()


def test_numbers_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"one": torch.tensor([[1.0, -3.0], [5.0, 1.0]])}
    Console(width=100).print(feature_stats.statistics("input", values))
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[3].split("│")[1:-1]]
    assert row == ["one", "2", "1", "2.83", "-3", "5"]  # squares of 0, 4, 4, 0: 8 by hand


def test_only_the_object_lies_elsewhere_and_the_way_to_it_reaches_the_networks_by_these_inputs(
    stacked: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scenes.scenes(stacked, steps=2, random_actions=1.0)
    stock = stacked.eval_envs.get_attr("stock")[0]
    found.poses[1, object_columns(stock.model)[3:]] = (0.92, 0.0, 0.0, 0.38)  # turned by 45 degrees
    rest = features.at_rest(stacked, found)
    poses = found.poses.copy()
    for row, other in enumerate((1, 2, 3, 0)):
        for column in object_columns(stock.model):
            poses[row, column] = found.poses[other, column]
    assert stacked.config.view is not None
    images = np.zeros((4, 84, 84, 3), np.uint8)
    Renderer(stock.model, stacked.config.view).render(poses, images)
    assert np.array_equal(rest.elsewhere["pixels"], np.concatenate([images, images], axis=-1))
    assert np.array_equal(rest.here["pixels"][..., :3], rest.here["pixels"][..., 3:])
    assert np.array_equal(rest.here["pixels"][..., 3:], found.obs["pixels"][..., 3:])
    assert (rest.elsewhere["pixels"] != rest.here["pixels"]).any()

    signal = features.signal(stacked, rest)
    assert signal["proprioception"][0] > 0  # random actions part the grippers
    assert signal["proprioception"][1:] == signal["desired goal"][1:] == (0.0, 0.0)
    blocks, goals = (found.obs[name] for name in ("achieved_goal", "desired_goal"))
    for name, values in (("achieved goal", blocks), ("desired goal", goals)):
        squares = [((values[(row + 1) % 4] - values[row]) ** 2).mean() for row in range(4)]
        assert signal[name][0] == pytest.approx(np.mean(squares) ** 0.5, rel=1e-4)
    assert signal["achieved goal"][1] == signal["achieved goal"][0]

    def by_hand(_: Evaluator, obs: dict[str, Any]) -> dict[str, torch.Tensor]:
        one, two = {"here": ([0.0], [0.0, 0.0]), "there": ([9.0], [9.0, 9.0]), "elsewhere": ([2.0], [6.0, 0.0])}[
            next(name for name, values in rest._asdict().items() if values is obs)
        ]
        return {"pixels": torch.tensor([one]), "vector": torch.tensor([two])}

    monkeypatch.setattr(features, "with_pixels", by_hand)
    assert features.signal(stacked, rest) == {
        "pixels": (9.0, 2.0, pytest.approx(4 / 40)), "vector": (9.0, pytest.approx(18**0.5), pytest.approx(36 / 40))
    }  # fmt: skip
    stacked.eval_envs.close()


def test_noise_of_shifts_as_by_padding_and_cropping_each_image(
    stacked: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An "encoder" that weighs all pixels, over images of noise, in one-at-a-time numpy."""
    random = np.random.default_rng(5)
    first, second = random.integers(0, 256, (2, 3, 84, 84, 6), dtype=np.uint8)
    weights = random.normal(size=(84 * 84 * 6, 2))

    def encoded(image: np.ndarray) -> np.ndarray:
        return image.astype(np.float64).ravel() @ weights

    def shifted(image: np.ndarray, offset: torch.Tensor) -> np.ndarray:
        down, across = (int(number) for number in offset)
        padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="edge")
        return encoded(padded[4 + down : 88 + down, 4 + across : 88 + across])

    monkeypatch.setattr(
        features, "seen", lambda _, pixels: {"sum": torch.from_numpy(pixels.numpy().reshape(3, -1) @ weights)}
    )
    poses, obs = np.zeros((3, 5)), ({"pixels": first}, {"pixels": second})
    found = features.noise(stacked, scenes.Scenes(*obs, poses, poses))["sum"]
    generator = torch.Generator().manual_seed(0)
    own, other = (torch.randint(-4, 5, (3, 2), generator=generator) for _ in range(2))
    rows: dict[str, list[np.ndarray]] = {}
    for number, (one, two) in enumerate(zip(first, second, strict=True)):
        step = encoded(two) - encoded(one)
        noise = shifted(one, own[number])
        for name, distance in {
            "shift: an observation": noise - encoded(one),
            "shift: the next observation": shifted(two, other[number]) - encoded(two),
            "shift: difference, an offset each": shifted(two, other[number]) - noise - step,
            "shift: difference, one offset": shifted(two, own[number]) - noise - step,
            "real: an observation and the next": step,
            "real: two scenes": encoded(first[(number + 1) % 3]) - encoded(one),
        }.items():
            rows.setdefault(name, []).append(distance)
    assert found == {name: pytest.approx(np.square(row).mean() ** 0.5) for name, row in rows.items()}
    stacked.eval_envs.close()


def test_the_objects_own_motion_as_an_encoder_known_by_hand_sees_it(
    stacked: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An "encoder" that sums all pixels: the object's own motion is what two renderings of it differ by."""
    found = scenes.scenes(stacked, steps=2)
    later = found.poses.copy()
    stock = stacked.eval_envs.get_attr("stock")[0]
    later[0, object_columns(stock.model)[0]] += 0.05  # one object of several moves
    images = np.zeros((2, 84, 84, 3), np.uint8)
    assert stacked.config.view is not None
    Renderer(stock.model, stacked.config.view).render(np.stack([found.poses[0], later[0]]), images)
    later[:, 0] += 0.3  # the robot too, which is not to count
    seen: list[np.ndarray] = []

    def summed(_: Evaluator, pixels: np.ndarray) -> dict[str, torch.Tensor]:
        seen.append(pixels)
        return {"sum": torch.from_numpy(pixels.astype(np.float64)).flatten(1).sum(1, keepdim=True)}

    monkeypatch.setattr(features, "seen", summed)
    motion, count = features.object_motion(stacked, found._replace(next_poses=later))
    assert count == 1
    before, after = (np.concatenate([images[0], newest], axis=-1) for newest in images)
    assert np.array_equal(seen[0], before[None]) and np.array_equal(seen[1], after[None])
    assert motion["sum"] == abs(after.sum(dtype=float) - before.sum(dtype=float)) > 0
    monkeypatch.undo()
    still, nowhere = features.object_motion(stacked, found._replace(next_poses=found.poses))
    assert nowhere == 0 and all(np.isnan(number) for number in still.values())
    stacked.eval_envs.close()
