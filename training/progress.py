"""Progress of a run for a person to watch: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from training.config.flags import Config
from training.logger import Row


def duration(seconds: float) -> str:
    """Format seconds as 1:02:03, 2:03, or 0:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


SILENCE = 4.0  # seconds, at most, without a sign of life


class Counted:
    """Reports progress of a long task: first a line on the task, then the count done, at most every SILENCE seconds.

    Args:
        say: takes each line.
        what: the first line; None for none.
        total: number of units to do.
        unit: name of a unit, in the plural.
    """

    def __init__(self, say: Callable[[str], object], what: str | None, total: int, unit: str = "episodes") -> None:
        self.say, self.total, self.unit, self.said = say, total, unit, time.monotonic()
        if what is not None:
            say(f"{what} ...")

    def __call__(self, done: int) -> None:
        if time.monotonic() - self.said > SILENCE:
            self.said = time.monotonic()
            self.say(f"  {min(done, self.total)} of {self.total} {self.unit}")


class Progress:
    """Context manager that shows progress; `show()` takes each new row of the log, `tick()` each step."""

    def __init__(self, config: Config, console: Console) -> None:
        self.config, self.console = config, console
        self.seen: Row = dict.fromkeys(("step", "seconds", "steps_per_second", "updates_per_second"), 0.0)
        self.doing = "learning"
        self.said = time.monotonic()
        self.latest: deque[tuple[float, float]] = deque(maxlen=20)  # steps and seconds of the latest rows
        self.live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live:
            self.live.stop()

    def show(self, row: Row) -> None:
        self.seen |= row
        self.latest.append((row["step"], row["seconds"]))
        self.tell("learning", "" if self.live else self._line())

    def tick(self, step: int, seconds: float) -> None:
        """Show the step, in the table or as a line, if nothing was shown for SILENCE seconds."""
        if time.monotonic() - self.said > SILENCE:
            self.seen |= {"step": step, "seconds": seconds}
            self.tell("learning", f"step {step:>8} of {self.config.total_steps}")

    def tell(self, doing: str, line: str | None = None) -> None:
        """Show the current activity in the table, or as a line: `line`, if given (no line if empty), else `doing`."""
        self.doing, self.said = doing.strip(), time.monotonic()
        if self.live:
            self.live.update(self._table())
        elif said := doing if line is None else line:
            self.console.print(said, highlight=False, soft_wrap=True)

    def _left(self) -> str:
        """Time left at the rate of the latest rows, evaluations included. The final evaluation is not counted."""
        if not self.latest:
            return "?"
        (first, began), (last, now) = self.latest[0], self.latest[-1]
        left = self.config.total_steps - last
        if last > first:
            return duration(left * (now - began) / (last - first))
        rate = self.seen["steps_per_second"]
        return duration(left / rate) if rate else "?"

    def _number(self, name: str, pattern: str) -> str:
        return format(self.seen[name], pattern) if name in self.seen else "-"

    def _line(self) -> str:
        error = f"  error {self.seen['position_error_cm']:5.2f} cm" if "position_error_cm" in self.seen else ""
        return (
            f"step {self.seen['step']:>8.0f}  success {self._number('success_rolling', '4.0%'):>4}"
            f"  evaluated {self._number('eval_success', '4.0%'):>4}  Q {self._number('q', '7.2f'):>7}"
            f"  loss {self._number('critic_loss', '8.4f'):>8} {self._number('actor_loss', '7.2f'):>7}{error}"
            f"  steps/s {self.seen['steps_per_second']:5.0f}  updates/s {self.seen['updates_per_second']:5.0f}"
            f"  {duration(self.seen['seconds'])} gone, {self._left()} left"
        )

    def _table(self) -> Table:
        table = Table(title=f"{self.config.env_id}, seed {self.config.seed}", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(justify="right")
        done = self.seen["step"] / self.config.total_steps
        error = (
            [("position error", f"{self.seen['position_error_cm']:.2f} cm")] if "position_error_cm" in self.seen else []
        )
        for name, value in (
            ("steps", f"{self.seen['step']:.0f} of {self.config.total_steps} ({done:.0%})"),
            ("success while exploring", self._number("success_rolling", ".0%")),
            ("success, evaluated", self._number("eval_success", ".0%")),
            ("Q", self._number("q", ".2f")),
            ("critic loss", self._number("critic_loss", ".4f")),
            ("actor loss", self._number("actor_loss", ".2f")),
            ("entropy", self._number("entropy", ".2f")),
            *error,
            ("environment steps/s", self._number("steps_per_second", ".0f")),
            ("updates/s", self._number("updates_per_second", ".0f")),
            ("time gone, left", f"{duration(self.seen['seconds'])}, {self._left()}"),
            ("now", self.doing),
        ):
            table.add_row(name, value)
        return table


def closing_table(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print the short table at the end of a run."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
