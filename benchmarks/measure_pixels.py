"""The measurements from pixels: their contenders."""

from __future__ import annotations

import statistics
from dataclasses import replace

from benchmarks import measure, ours, sb3, sb3_counts, stepping
from benchmarks.alternate import Remote
from benchmarks.images import rendered
from benchmarks.measure import FAST, OURS, Report, Timing, against, medians, run_all
from benchmarks.settings import Settings
from envs import SIZE, CameraConfig

BOOK = "SB3, the book's wrapper"
RECOMMENDED = "SB3, rendered at 84x84, SubprocVecEnv"
RECIPE = "ours, preset push-pixels"


def end_to_end(settings: Settings, timing: Timing) -> Report:
    """Measure the whole trainer against SB3 with the book's wrapper, and against SB3 with 84x84 renders in
    subprocesses."""
    rates = run_all(
        f"end to end, {settings.updates_per_step:g} updates per env step",
        {
            OURS: (ours.Training, {"settings": settings, "mode": "off"}),
            BOOK: (sb3.Training, {"settings": settings, "subprocesses": False}),
            FAST: (ours.Training, {"settings": settings, "mode": "max"}),
            RECOMMENDED: (sb3.Training, {"settings": settings, "subprocesses": True, "size": SIZE}),
            RECIPE: (ours.Training, {"settings": settings, "mode": "max", "preset": "push-pixels"}),
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
        "sb3_recommended": {
            "env_steps_per_second": against(rates, OURS, RECOMMENDED, "env_steps", "sb3_recommended"),
            "env_steps_per_second_fast": against(rates, FAST, RECOMMENDED, "env_steps", "sb3_recommended"),
        },
        "env_steps_per_second_push_pixels": statistics.median(rates[RECIPE]["env_steps"]),
        "contenders": medians(rates),
    }


def envs(settings: Settings, timing: Timing) -> Report:
    """Measure stepping with random actions, every step rendered at 84x84 by the default camera."""
    common = {"settings": settings, "actions": stepping.actions_of(settings)}
    everywhere = {**common, "workers": settings.cores}
    ours_smooth, stock, stock_smooth = f"{OURS}, MSAA", "AsyncVectorEnv", "AsyncVectorEnv, MSAA"
    rates = run_all(
        "environment stepping and rendering",
        {
            OURS: (stepping.Ours, {**everywhere, "view": CameraConfig()}),
            stock: (stepping.Gymnasium, {**common, "make": rendered(settings, msaa=False)}),
            ours_smooth: (stepping.Ours, {**everywhere, "view": CameraConfig(msaa=True)}),
            stock_smooth: (stepping.Gymnasium, {**common, "make": rendered(settings, msaa=True)}),
            BOOK: (sb3.Stepping, {**common, "subprocesses": False}),
            "ours, push-pixels' two cameras": (
                stepping.Ours,
                {**everywhere, "view": CameraConfig(("close", "mirror"))},
            ),
        },
        timing,
    )
    return {
        "rendered_vs_async": against(rates, OURS, stock, "env_steps", "gymnasium"),
        "rendered_vs_async_msaa": against(rates, ours_smooth, stock_smooth, "env_steps", "gymnasium"),
        "rendered_vs_book": against(rates, OURS, BOOK, "env_steps"),
        "contenders": medians(rates),
    }


def replay(settings: Settings, _: Timing) -> Report:
    """Count bytes per transition; nothing is timed."""
    few, many = ours.bytes_per_transition(settings), sb3_counts.bytes_per_transition(settings)
    return {"bytes_per_transition": {"ours": few, "sb3": many, "ratio": many / few}}


def update(settings: Settings, timing: Timing) -> Report:
    """Measure one update of actor and critic per pass of the book's encoder; and our own recipe, with several."""
    slots = 10
    passes = ours.encoder_passes(settings), sb3_counts.encoder_passes(replace(settings, buffer_size=slots))
    counted = {"encoder_passes_per_update": {"ours": passes[0], "sb3": passes[1]}}
    return measure.update(settings, timing, preset="push-pixels", slots=slots) | counted


def memory(settings: Settings, timing: Timing) -> Report:
    """Peak memory of whole runs, processes of environments included, with a full replay of `buffer_size`."""
    peaks = {}
    for name, factory, how in (
        ("ours", ours.Memory, {"mode": "max"}),
        ("sb3", sb3.Memory, {"subprocesses": False}),
    ):
        remote = Remote(name, factory, {"settings": settings, **how})
        try:
            remote.result()
            peaks[name] = remote.run(timing.seconds)["peak_bytes"]
        finally:
            remote.close()
            remote.join()
    return {"observations": settings.buffer_size, **peaks, "ratio": peaks["sb3"] / peaks["ours"]}
