"""The measurements from pixels: who is compared with whom."""

from __future__ import annotations

import statistics

from benchmarks import measure, ours, sb3, stepping
from benchmarks.measure import FAST, OURS, Report, Timing, against, medians, run_all
from benchmarks.pictures import drawn
from benchmarks.settings import Settings
from envs import View

BOOK = "SB3, the book's wrapper"
RECIPE = "ours, preset push-pixels"


def end_to_end(settings: Settings, timing: Timing) -> Report:
    """The whole trainer against SB3 with DummyVecEnv and the book's wrapper."""
    rates = run_all(
        f"end to end, {settings.updates_per_step:g} updates per env step",
        {
            OURS: (ours.Training, {"settings": settings, "mode": "off"}),
            BOOK: (sb3.Training, {"settings": settings, "subprocesses": False}),
            FAST: (ours.Training, {"settings": settings, "mode": "auto"}),
            RECIPE: (ours.Training, {"settings": settings, "mode": "auto", "preset": "push-pixels"}),
        },
        timing,
    )
    return {
        "updates_per_step": settings.updates_per_step,
        "batch_size": settings.batch_size,
        "peer": BOOK,
        "env_steps_per_second": against(rates, OURS, BOOK, "env_steps"),
        "updates_per_second": against(rates, OURS, BOOK, "updates"),
        "env_steps_per_second_fast": against(rates, FAST, BOOK, "env_steps"),
        "updates_per_second_fast": against(rates, FAST, BOOK, "updates"),
        "env_steps_per_second_push_pixels": statistics.median(rates[RECIPE]["env_steps"]),
        "contenders": medians(rates),
    }


def envs(settings: Settings, timing: Timing) -> Report:
    """Stepping with random actions, every step drawn at 84x84 by the default camera."""
    common = {"settings": settings, "actions": stepping.actions_of(settings)}
    everywhere = {**common, "workers": settings.cores}
    ours_smooth, stock, stock_smooth = f"{OURS}, MSAA", "AsyncVectorEnv", "AsyncVectorEnv, MSAA"
    rates = run_all(
        "environment stepping and drawing",
        {
            OURS: (stepping.Ours, {**everywhere, "view": View()}),
            stock: (stepping.Gymnasium, {**common, "make": drawn(settings, msaa=False)}),
            ours_smooth: (stepping.Ours, {**everywhere, "view": View(msaa=True)}),
            stock_smooth: (stepping.Gymnasium, {**common, "make": drawn(settings, msaa=True)}),
            BOOK: (sb3.Stepping, {**common, "subprocesses": False}),
            "ours, push-pixels' two cameras": (stepping.Ours, {**everywhere, "view": View(("close", "mirror"))}),
        },
        timing,
    )
    return {
        "drawn_vs_async": against(rates, OURS, stock, "env_steps", "gymnasium"),
        "drawn_vs_async_msaa": against(rates, ours_smooth, stock_smooth, "env_steps", "gymnasium"),
        "drawn_vs_book": against(rates, OURS, BOOK, "env_steps"),
        "contenders": medians(rates),
    }


def replay(settings: Settings, _: Timing) -> Report:
    """Bytes only."""
    few, many = ours.bytes_per_transition(settings), sb3.bytes_per_transition(settings)
    return {"bytes_per_transition": {"ours": few, "sb3": many, "ratio": many / few}}


def update(settings: Settings, timing: Timing) -> Report:
    """One update of actor and critic a pass of the book's encoder; and our own recipe, with several."""
    return measure.update(settings, timing, preset="push-pixels", slots=10)
