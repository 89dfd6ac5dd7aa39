"""What a row of the log leaves on disk, and what a resume leaves of it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from tensorboard.plugins.hparams import plugin_data_pb2  # type: ignore[import-untyped]

from training.errors import UserError
from training.logger import COLUMNS, CSV, GROUPS, Logger, read_rows


def logged(folder: Path, resume_step: int, *rows: dict[str, float]) -> None:
    logger = Logger(folder, resume_step, {"seed": 0})
    for row in rows:
        logger.write(row)
    logger.close()


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    board = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [(event.step, event.value) for event in board.Scalars(name)]


def test_a_number_comes_back_as_the_float32_that_it_was(tmp_path: Path) -> None:
    values = [float(value) for value in np.random.default_rng(0).standard_normal(50).astype(np.float32)]
    logged(tmp_path, 0, *({"step": step, "q": value} for step, value in enumerate(values)))
    assert [np.float32(row["q"]) for row in read_rows(tmp_path)] == [np.float32(value) for value in values]
    assert scalars(tmp_path, "value/q") == list(enumerate(values))


def test_a_row_is_on_disk_when_it_was_written_and_empty_where_it_says_nothing(tmp_path: Path) -> None:
    logger = Logger(tmp_path, 0, {})
    logger.write({"step": 400, "q": -1.5})
    header, line = (tmp_path / CSV).read_text().splitlines()
    logger.close()
    assert header.split(",") == list(COLUMNS)
    assert {name: cell for name, cell in zip(COLUMNS, line.split(","), strict=True) if cell} == {
        "step": "400",
        "q": "-1.5",
    }


def test_what_lies_past_the_step_of_a_resume_is_cut_from_both_records(tmp_path: Path) -> None:
    logged(tmp_path, 0, *({"step": step, "q": step / 8} for step in (400, 800, 1200)))
    logged(tmp_path, 800, {"step": 1200, "q": 7.0}, {"step": 1600, "q": 8.0})
    expected = [(400, 50.0), (800, 100.0), (1200, 7.0), (1600, 8.0)]
    assert [(row["step"], row["q"]) for row in read_rows(tmp_path)] == expected
    assert scalars(tmp_path, "value/q") == expected


def test_so_are_all_rows_of_a_run_that_is_resumed_from_its_start(tmp_path: Path) -> None:
    logged(tmp_path, 0, *({"step": step, "q": 1.0} for step in (400, 800)))
    logged(tmp_path, 0, {"step": 400, "q": 7.0})
    assert scalars(tmp_path, "value/q") == [(400, 7.0)] and len(read_rows(tmp_path)) == 1


def test_tensorboard_has_every_column_in_one_group_and_the_runs_name_and_flags_as_hyperparameters(
    tmp_path: Path,
) -> None:
    assert sorted(column for columns in GROUPS.values() for column in columns) == sorted(set(COLUMNS) - {"step"})
    folder = tmp_path / "push-seed0"
    folder.mkdir()
    logger = Logger(folder, 0, {"gamma": 0.95, "cameras": ("close", "mirror"), "threads": None, "video": True})
    logger.write({"step": 400, "eval_success": 0.5, "critic_loss": 0.25, "seconds": 8.0})
    logger.close()
    board = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert sorted(board.Tags()["scalars"]) == ["loss/critic_loss", "success/eval_success", "time/seconds"]
    shown = {
        tag: plugin_data_pb2.HParamsPluginData.FromString(content)
        for tag, content in board.PluginTagToContent("hparams").items()
    }
    flags = shown["_hparams_/session_start_info"].session_start_info.hparams
    assert flags["run"].string_value == "push-seed0" and flags["gamma"].number_value == 0.95
    assert flags["cameras"].string_value == "('close', 'mirror')" and flags["video"].number_value == 1
    metrics = shown["_hparams_/experiment"].experiment.metric_infos
    assert "success/eval_success" in [metric.name.tag for metric in metrics]


def test_a_line_that_was_torn_is_no_row(tmp_path: Path) -> None:
    logged(tmp_path, 0, {"step": 400, "q": 1.25})
    with open(tmp_path / CSV, "a") as file:
        file.write("800,20,1")
    assert [row["step"] for row in read_rows(tmp_path)] == [400]
    logged(tmp_path, 800)
    with open(tmp_path / CSV, newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["400"]


def test_a_column_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sucess"):
        logged(tmp_path, 0, {"step": 400, "sucess": 1.0})


@pytest.mark.parametrize("damage", ["12.5\x00", "8x0", "0\xb12"], ids=["zero byte", "letter", "high bit"])
def test_a_damaged_file_is_named_with_its_row(damage: str, tmp_path: Path) -> None:
    logged(tmp_path, 0, {"step": 400, "q": 1.25}, {"step": 800, "q": 2.5})
    text = (tmp_path / CSV).read_text().replace("800", damage)
    (tmp_path / CSV).write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"metrics.csv is damaged in row 2 .*: mend or remove that line"):
        read_rows(tmp_path)
    before = (tmp_path / CSV).read_bytes()
    with pytest.raises(UserError):
        Logger(tmp_path, 800, {})
    assert (tmp_path / CSV).read_bytes() == before


def test_a_damaged_name_of_a_column_is_said_before_anything_is_written(tmp_path: Path) -> None:
    """One flipped bit. (An older version's names can be read, but not gone on with.)"""
    logged(tmp_path, 0, {"step": 400, "q": 1.25, "critic_loss": 2.0})
    damaged = (tmp_path / CSV).read_text().replace("critic_loss", "britic_loss", 1)
    (tmp_path / CSV).write_text(damaged)
    with pytest.raises(UserError, match=r"metrics.csv has a column 'britic_loss', which this version does not know"):
        Logger(tmp_path, 400, {})
    assert (tmp_path / CSV).read_text() == damaged and read_rows(tmp_path)[0]["britic_loss"] == 2
