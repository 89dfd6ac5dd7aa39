"""Which images of a film make a strip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.filmstrip import chosen, main


def test_images_differ_though_the_film_stands_still_for_most_of_its_time() -> None:
    """A square that moves by a pixel in each of 10 steps, then rests for 40; and the codec's noise everywhere."""
    noise = np.random.default_rng(0).integers(0, 12, (51, 30, 30, 3))
    frames = (noise + 100).astype(np.uint8)
    for time, frame in enumerate(frames):
        at = min(time, 10)
        frame[10:15, 10 + at : 15 + at] += 100
    assert chosen(frames, 5).tolist() == [0, 3, 5, 8, 10]
    assert chosen(frames[20:], 3).tolist() == [0, 15, 30]  # nothing moves: evenly


def test_no_image_comes_twice_where_everything_changes_at_once() -> None:
    frames = np.zeros((41, 8, 8, 3), np.uint8)
    frames[3:] = 255
    assert chosen(frames, 5).tolist() == [0, 3, 4, 5, 6]
    frames = np.zeros((6, 8, 8, 3), np.uint8)
    frames[5:] = 255
    assert chosen(frames, 5).tolist() == [0, 2, 3, 4, 5]
    assert len(chosen(frames[:3], 5)) == 5  # more than there are


def test_a_strip_does_not_replace_the_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "video.mp4"
    film.write_bytes(b"a film")
    assert main([str(film), str(film)]) == 2
    assert "name a file that ends in .png" in capsys.readouterr().err and film.read_bytes() == b"a film"
