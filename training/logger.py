"""Metrics of a run: one row at a time, to metrics.csv and to TensorBoard."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from auxiliary import AUXILIARIES
from training.errors import RunFailed, UserError
from training.whole import replacing

CSV = "metrics.csv"
OF_LOSSES = tuple(f"encoder_grad_norm_{loss}" for loss in ("critic", "goal_regression", *AUXILIARIES))
COLUMNS = (
    "step", "updates", "seconds", "episodes",
    "success_rolling", "episode_return", "eval_success", "eval_ever", "eval_return", "eval_distance_cm",
    "critic_loss", "actor_loss", "temperature_loss", "q", "target_q", "entropy", "alpha",
    "goal_loss", "replay_error_cm", "position_error_cm", "softmax_temperature",
    "curl_loss", "curl_accuracy", "spr_loss", "spr_std", "autoencoder_loss",
    "encoder_grad_norm", "critic_grad_norm", "actor_grad_norm",
    *OF_LOSSES,
    "td_loss_original", "td_loss_relabelled", "explained_variance", "action_gap", "goal_gap", "dormant_units",
    "readout_cm",
    "steps_per_second", "updates_per_second", "time_frac_act", "time_frac_env", "time_frac_sample", "time_frac_update",
)  # fmt: skip

GROUPS = {  # by which TensorBoard shows them
    "success": ("success_rolling", "eval_success", "eval_ever", "eval_distance_cm"),
    "return": ("episode_return", "eval_return"),
    "loss": ("critic_loss", "actor_loss", "temperature_loss", "goal_loss", "curl_loss", "spr_loss", "autoencoder_loss",
             "td_loss_original", "td_loss_relabelled"),
    "value": ("q", "target_q", "explained_variance", "action_gap", "goal_gap"),
    "policy": ("entropy", "alpha"),
    "seeing": ("replay_error_cm", "position_error_cm", "readout_cm", "softmax_temperature",
               "curl_accuracy", "spr_std"),
    "networks": ("encoder_grad_norm", "critic_grad_norm", "actor_grad_norm", "dormant_units", *OF_LOSSES),
    "time": ("seconds", "steps_per_second", "updates_per_second", "time_frac_act", "time_frac_env", "time_frac_sample",
             "time_frac_update"),
    "count": ("updates", "episodes"),
}  # fmt: skip
TAGS = {column: f"{group}/{column}" for group, columns in GROUPS.items() for column in columns}
RESULTS = ("success/eval_success", "success/success_rolling")  # beside the flags, in the tab of hyperparameters

Row = dict[str, float]


def read_rows(folder: Path) -> list[Row]:
    """Rows written so far, without empty cells; none if there is no file. An incomplete last line is left out.

    Raises UserError for a file that is damaged.
    """
    path, rows = folder / CSV, []
    try:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(line for line in file if line.endswith("\n")):
                rows.append({name: float(cell) for name, cell in row.items() if cell})
                if "step" not in rows[-1]:
                    raise ValueError("no step")
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is damaged in row {len(rows) + 1} ({error}): mend or remove that line.") from None
    return rows


def rows_to_continue(folder: Path) -> list[Row]:
    """Rows written so far, as `read_rows`, by a run of this version. Raises UserError for columns that it has not."""
    rows = read_rows(folder)
    if unknown := sorted({name for row in rows for name in row} - set(COLUMNS)):
        raise UserError(
            f"{folder / CSV} has a column {unknown[0]!r}, which this version does not know: its first line is damaged, "
            "or it is of another commit."
        )
    return rows


def fingerprint(folder: Path, step: int) -> str:
    """Hash of the rows up to `step` but for what depends on the clock, so that two runs of a seed have the same one.
    Raises UserError for a file that is damaged."""
    rows = [
        sorted((name, value) for name, value in row.items() if name not in GROUPS["time"])  # columns may be added later
        for row in read_rows(folder)
        if row["step"] <= step
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


class Logger:
    """Appends to a run's metrics.

    Args:
        folder: the run's.
        resume_step: rows and events past this step are cut off, for the run makes them again.
        hyperparameters: shown by TensorBoard, with the name of the folder.
    """

    def __init__(self, folder: Path, resume_step: int, hyperparameters: dict[str, Any]) -> None:
        self.path = folder / CSV
        kept = [row for row in rows_to_continue(folder) if row["step"] <= resume_step]
        text = io.StringIO()
        self._writer(text).writeheader()
        self._writer(text).writerows([{k: _cell(v) for k, v in row.items()} for row in kept])
        with replacing(self.path) as temporary:
            temporary.write_text(text.getvalue())
        self.file = open(self.path, "a", newline="")  # noqa: SIM115 - open until close()
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=resume_step + 1)
        self._describe({"run": folder.resolve().name} | hyperparameters)

    def _describe(self, flags: dict[str, Any]) -> None:
        """Add the run's flags to TensorBoard: as a table, and in its tab of hyperparameters."""
        table = "\n".join(f"| {name} | {value} |" for name, value in flags.items())
        self.board.add_text("hyperparameters", "| flag | value |\n|---|---|\n" + table)
        plain = {name: value if isinstance(value, int | float) else str(value) for name, value in flags.items()}
        events: Any = self.board.file_writer  # add_hparams would make another run of it
        for part in hparams(plain, dict.fromkeys(RESULTS, 0)):
            events.add_summary(part)

    def write(self, row: Row) -> None:
        """Write and flush one row. Raises RunFailed if that fails."""
        try:
            self._writer(self.file).writerow({k: _cell(v) for k, v in row.items()})
            self.file.flush()
            for name, value in row.items():
                if name != "step" and math.isfinite(value):
                    self.board.add_scalar(TAGS[name], value, int(row["step"]))
            self.board.flush()
        except OSError as error:
            raise RunFailed(f"{self.path} could not be written ({error.strerror}); free some space.") from error

    def show(self, images: NDArray[np.uint8], step: int) -> None:
        """Add an image of the agent's view, (H, W, 3), to TensorBoard."""
        self.board.add_image("what the agent sees", images, step, dataformats="HWC")

    def close(self) -> None:
        self.file.close()
        self.board.close()

    @staticmethod
    def _writer(file: Any) -> csv.DictWriter[str]:
        return csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")


def _cell(value: float) -> str:
    """Format a cell: whole numbers without decimals, others with the 9 digits of a float32."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.9g}"
