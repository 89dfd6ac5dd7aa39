"""The report as tables."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show(report: dict[str, Any]) -> None:
    """Print whatever the report of `fps.report_of` holds."""
    console = Console()
    console.print(
        f"{report['env_id']}, {report['num_envs']} environments, {report['threads']} threads, {report['cores']} cores "
        f"({report['machine']}), {report['device']}; {report['date']}; medians of {report['rounds']} rounds (the least "
        f"to the greatest), load before {report['load_before']:.1f}"
    )
    for run in report.get("end_to_end", []):
        console.print(_end_to_end(run))
    for name, title, unit in (
        ("envs", "environment stepping", "env_steps"),
        ("replay", "replay sampling with relabelling", "batches"),
        ("update", "the update alone", "updates"),
    ):
        if name in report and "contenders" in report[name]:
            console.print(_piece(report[name], title, unit))
            console.print(_notes(name, report[name]))

    if "memory" in report:
        count, few, many = (report["memory"][name] for name in ("observations", "ours", "sb3"))
        gib = f"{few / 2**30:.2f} GiB, SB3 {many / 2**30:.2f} GiB: 1/{many / few:.1f}"
        console.print(f"peak memory with {count:,} observations: {gib}")
    if "encoder_passes_per_update" in (part := report.get("update", {})):
        passes = part["encoder_passes_per_update"]
        console.print(f"batches of images encoded in an update: {passes['ours']:g}, SB3 {passes['sb3']:g}")
    if "bytes_per_transition" in (part := report.get("replay", {})):
        few, many, ratio = (part["bytes_per_transition"][name] for name in ("ours", "sb3", "ratio"))
        console.print(f"replay: {few:,.0f} bytes a transition, SB3 {many:,.0f}: 1/{ratio:.1f}")


def _end_to_end(run: dict[str, Any]) -> Table:
    table = Table(title=f"end to end (peer: {run['peer']})", title_justify="left")
    for heading in ("", "env steps/s", "updates/s", "batch", "updates per env step"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, rates in run["contenders"].items():
        steps, updates = rates["env_steps_per_second"], rates["updates_per_second"]
        shown = _range(steps, rates["rounds"]["env_steps"]), _range(updates, rates["rounds"]["updates"])
        table.add_row(name, *shown, str(run["batch_size"]), f"{updates / steps:.3g}")
    table.add_section()
    for title, suffix in (("ours / SB3", ""), ("ours, fast dtype / SB3", "_fast")):
        pair = run[f"env_steps_per_second{suffix}"], run[f"updates_per_second{suffix}"]
        table.add_row(title, *(_times(one) for one in pair), "", "")
        if "sb3_recommended" in run:
            steps = _times(run["sb3_recommended"][f"env_steps_per_second{suffix}"])
            table.add_row(f"{title}, rendered at 84x84", steps, "", "", "")
    return table


def _piece(part: dict[str, Any], title: str, unit: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column(f"{unit.replace('_', ' ')}/s", justify="right")
    for name, rates in part["contenders"].items():
        table.add_row(name, _range(rates[f"{unit}_per_second"], rates["rounds"][unit]))
    table.add_section()
    for name, value in part.items():
        if isinstance(value, dict) and "ratio" in value:
            table.add_row(f"ratio: {name.replace('_', ' ')}", _times(value))
    return table


def _notes(name: str, part: dict[str, Any]) -> str:
    if name == "envs" and "physics_seconds_per_step" not in part:
        return "84x84 images of the default camera"
    if name == "envs":
        share, physics = part["physics_share_of_ours_on_one_core"], part["physics_seconds_per_step"]
        return f"physics: {physics * 1e3:.3f} ms of a step, {share:.0%} of our step on one core"
    return f"batch {part['batch_size']}" + (f", {part['transitions']:,} transitions" if name == "replay" else "")


def _range(median: float, rounds: list[float]) -> str:
    return f"{_rate(median)} ({_rate(min(rounds))} to {_rate(max(rounds))})"


def _times(value: dict[str, float]) -> str:
    return f"{value['ratio']:.2f}x ({value['ratio_min']:.2f} to {value['ratio_max']:.2f})"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
