"""Images in a file, through kills: what a resumed ring believes, and that it is all that the file still holds."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from goals import EnvironmentGoals
from replay import Ring
from replay.on_disk import ImagesDamaged
from tests.replay.episodes import reward_of, spec_of
from tests.replay.kills import Runs


def small_ring(file: Path, stack: int) -> Ring:
    """8 slots, 1 lane, images of one number."""
    return Ring(
        spec_of(8, 1, 1, 2, 1, pixels=(1, 1, 1), file=file),
        goal_space=EnvironmentGoals(2, reward_of),
        frame_stack=stack,
    )


def filled(ring: Ring, numbers: Iterable[int]) -> Ring:
    """Go on by one observation a number, which its vector and image show."""
    one, goal = torch.zeros(1), torch.zeros(1, 2, dtype=torch.float64)
    for number in numbers:
        image = torch.full((1, 1, 1, 1), number, dtype=torch.uint8)
        seen = {"vector": torch.full((1, 1), float(number)), "pixels": image}, goal, goal
        if int(ring.storage.cursors["newest"]) < 0:
            ring.storage.start(*seen)
        else:
            ring.storage.add(one[:, None], one, one, *seen)
    return ring


def sampled(ring: Ring) -> list[list[float]]:
    """Each stored transition: its number, its stack and the next one."""
    batch = ring.sample(200)
    parts = (part.flatten(1) for part in (batch.obs["vector"], batch.obs["pixels"], batch.next_obs["pixels"]))
    return torch.cat(list(parts), dim=1).unique(dim=0).tolist()


def test_no_image_of_a_stack_is_another_observations_after_a_kill_beyond_the_rings_length(tmp_path: Path) -> None:
    """The smallest case: the file holds 8 images of the 24 steps after the checkpoint, and none from before it."""
    ring = filled(small_ring(tmp_path / "images", stack=2), range(6))
    state = copy.deepcopy(ring.state_dict())
    filled(ring, range(6, 30))

    resumed = small_ring(tmp_path / "images", stack=2)
    resumed.load_state_dict(state)
    assert len(resumed) == 0
    seen = [5]  # only the newest observation's image is still known
    for number in range(106, 112):
        filled(resumed, [number])
        seen.append(number)
        before = [5, *seen]
        assert sampled(resumed) == [
            [seen[at], before[at], seen[at], seen[at], seen[at + 1]] for at in range(len(seen) - 1)
        ]


def test_an_image_that_a_kill_left_half_written_is_not_believed(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Scribbled:
        def __setitem__(self, rows: Tensor, _: Tensor) -> None:
            pixels[rows] = 255
            raise Killed

    ring = filled(small_ring(tmp_path / "images", stack=1), range(9))  # 1 to 8 are there
    state, pixels = copy.deepcopy(ring.state_dict()), ring.storage.tables["pixels"]
    assert ring.storage.on_disk is not None
    ring.storage.on_disk.pixels = Scribbled()  # type: ignore[assignment]
    with pytest.raises(Killed):
        filled(ring, [9])
    resumed = small_ring(tmp_path / "images", stack=1)
    resumed.load_state_dict(state)
    assert sampled(resumed) == [[number, number, number + 1] for number in range(2, 8)]


@pytest.mark.parametrize("empty", [False, True], ids=["resumed", "resumed empty"])
def test_images_of_a_file_made_anew_are_not_taken_for_those_of_the_one_that_is_gone(
    empty: bool, tmp_path: Path
) -> None:
    file = tmp_path / "images"
    state = copy.deepcopy(filled(small_ring(file, stack=1), range(8)).state_dict())
    file.unlink()
    ring = small_ring(file, stack=1)
    if empty:
        ring.storage.number_beyond(state)
    else:
        ring.load_state_dict(state)
    filled(ring, range(100, 108))  # as many as there were: counted from the start they would have the same numbers
    resumed = small_ring(file, stack=1)
    resumed.load_state_dict(state)
    assert len(resumed) == 0
    assert sampled(filled(resumed, [8])) == [[7, 7, 8]]


def test_a_checkpoint_is_not_given_the_images_of_a_run_that_went_on_from_one_before_it(tmp_path: Path) -> None:
    file = tmp_path / "images"
    ring = filled(small_ring(file, stack=1), range(4))
    earlier = copy.deepcopy(ring.state_dict())
    later = copy.deepcopy(filled(ring, range(4, 7)).state_dict())
    ring = small_ring(file, stack=1)
    ring.load_state_dict(earlier)
    filled(ring, range(104, 107))
    ring = small_ring(file, stack=1)
    ring.load_state_dict(later)
    assert len(ring) == 0
    assert sampled(filled(ring, [7])) == [[6, 6, 7]]


def test_a_flipped_bit_is_noticed_wherever_the_ring_went_on_and_an_image_of_another_run_is_none(tmp_path: Path) -> None:
    """8 slots: 3 to 9 are stored; 10 is the newest, whose image the checkpoint has; 11 and 12 come after it."""
    file = tmp_path / "images"
    ring = filled(small_ring(file, stack=1), range(11))
    state = copy.deepcopy(ring.state_dict())
    filled(ring, [11, 12])  # in the place of 3 and 4
    for number in (10, 11, 12, *range(5, 10)):
        whole = file.read_bytes()
        with open(file, "r+b") as opened:  # in place, for rings have it mapped
            opened.write(bytes(byte ^ (byte == number) for byte in whole))
        resumed = small_ring(file, stack=1)
        if number in range(5, 10):
            with pytest.raises(ImagesDamaged, match=r"1 of 5 images in .*images are not what was stored there"):
                resumed.load_state_dict(state)
        else:
            resumed.load_state_dict(state)
            again = small_ring(file, stack=1)  # killed at once, having saved: nothing is wrong with its checkpoint
            again.load_state_dict(copy.deepcopy(resumed.state_dict()))
            assert sampled(again) == [[one, one, one + 1] for one in range(5, 10)]
        with open(file, "r+b") as opened:
            opened.write(whole)


LIVES = st.lists(
    st.tuples(
        st.integers(0, 6),  # steps
        st.sampled_from([True, True, True, False]),  # with a checkpoint after them, or none
        st.sampled_from([0, 1, 2, 3, 5, 8, 13, 25]),  # more steps until the kill: up to several times the ring's length
        st.sampled_from(["resume"] * 5 + ["resume, reset", "resume empty", "lose file"]),
    ),
    min_size=2,
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(
    lives=LIVES, slots=st.integers(2, 9), lanes=st.integers(1, 3), stack=st.integers(1, 4), seed=st.integers(0, 2**32)
)
def test_after_any_kills_a_ring_holds_what_the_file_does_and_nothing_else(
    lives: list[tuple[int, bool, int, str]], slots: int, lanes: int, stack: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Path(folder), slots, lanes, stack, seed)
        for before, saves, after, then in lives:
            for _ in range(before):
                runs.step()
                runs.check()
            if saves:
                runs.save()
            for _ in range(after):
                runs.step()
            if then == "lose file":
                runs.lose_file()
            if then == "resume empty":
                runs.resume_empty()
            else:
                runs.resume()
            if then == "resume, reset":
                runs.open_everywhere()
            runs.check()
