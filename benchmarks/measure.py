"""The four measurements: their contenders, and the figures made from the rates."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import ours, sb3, stepping
from benchmarks.alternate import Rates, alternate, median_ratio, ratios
from benchmarks.settings import Settings

Report = dict[str, Any]
OURS, FAST = "ours", "ours, fast dtype"


@dataclass(frozen=True)
class Timing:
    """Sizes of one measurement: rounds, and how long a contender runs in each."""

    rounds: int
    seconds: float
    warmup_seconds: float


def end_to_end(settings: Settings, timing: Timing) -> Report:
    """Measure the whole trainer. The peer is SB3 with the faster of its vector environments."""
    dummy, subproc = "SB3, DummyVecEnv", "SB3, SubprocVecEnv"
    rates = run_all(
        f"end to end, {settings.updates_per_step:g} updates per env step",
        {
            OURS: (ours.Training, {"settings": settings, "mode": "off"}),
            dummy: (sb3.Training, {"settings": settings, "subprocesses": False}),
            FAST: (ours.Training, {"settings": settings, "mode": "max"}),
            subproc: (sb3.Training, {"settings": settings, "subprocesses": True}),
        },
        timing,
    )
    peer = max((dummy, subproc), key=lambda name: statistics.median(rates[name]["env_steps"]))
    return {
        "updates_per_step": settings.updates_per_step,
        "batch_size": settings.batch_size,
        "peer": peer,
        "env_steps_per_second": against(rates, OURS, peer, "env_steps"),
        "updates_per_second": against(rates, OURS, peer, "updates"),
        "env_steps_per_second_fast": against(rates, FAST, peer, "env_steps"),
        "updates_per_second_fast": against(rates, FAST, peer, "updates"),
        "contenders": medians(rates),
    }


def envs(settings: Settings, timing: Timing) -> Report:
    """Measure stepping with random actions. `physics` is `mj_step` alone, on one core; shares are of a step's core
    time."""
    cores = settings.cores
    common = {"settings": settings, "actions": stepping.actions_of(settings)}
    here, asynchronous, subproc = "ours, in process", "gymnasium, AsyncVectorEnv", "SB3, SubprocVecEnv"
    everywhere = f"ours, {cores} workers"
    rates = run_all(
        "environment stepping",
        {
            OURS: (stepping.Ours, {**common, "workers": None}),
            asynchronous: (stepping.Gymnasium, common),
            everywhere: (stepping.Ours, {**common, "workers": cores}),
            subproc: (sb3.Stepping, {**common, "subprocesses": True}),
            here: (stepping.Ours, {**common, "workers": 0}),
            "physics": (stepping.Physics, common),
        },
        timing,
    )
    best = max((OURS, everywhere, here), key=lambda name: statistics.median(rates[name]["env_steps"]))
    return {
        "ours_auto_vs_async": against(rates, OURS, asynchronous, "env_steps", "gymnasium"),
        "ours_cores_vs_async": against(rates, everywhere, asynchronous, "env_steps", "gymnasium"),
        "ours_auto_vs_subproc": against(rates, OURS, subproc, "env_steps"),
        "ours_cores_vs_subproc": against(rates, everywhere, subproc, "env_steps"),
        "best_of_ours": best,
        "physics_seconds_per_step": 1 / statistics.median(rates["physics"]["env_steps"]),
        "physics_share_of_ours_on_one_core": median_ratio(rates[here]["env_steps"], rates["physics"]["env_steps"]),
        "contenders": medians(rates),
    }


def replay(settings: Settings, timing: Timing) -> Report:
    """Measure sampling with relabelling: one batch per call, and several, as in our loop when several updates are
    due."""
    several = f"{OURS}, {settings.num_envs} batches a call"
    peer = "SB3, HerReplayBuffer"
    rates = run_all(
        f"replay sampling, {settings.transitions:,} transitions",
        {
            OURS: (ours.Sampling, {"settings": settings, "together": 1}),
            peer: (sb3.Sampling, {"settings": settings}),
            several: (ours.Sampling, {"settings": settings, "together": settings.num_envs}),
        },
        timing,
    )
    return {
        "transitions": settings.transitions,
        "batch_size": settings.batch_size,
        "batches_per_second": against(rates, OURS, peer, "batches"),
        "batches_per_second_several_a_call": against(rates, several, peer, "batches"),
        "contenders": medians(rates),
    }


def update(settings: Settings, timing: Timing, preset: str = "push", slots: int = 1000) -> Report:
    """Measure gradient updates on one batch: with the book's settings, and with those of our own `preset`. SB3's
    replay, of `slots` per environment, is not used."""
    peer, recipe = "SB3, train()", f"{FAST}, preset {preset}"
    rates = run_all(
        "the update alone",
        {
            OURS: (ours.Updating, {"settings": settings, "mode": "off"}),
            peer: (sb3.Updating, {"settings": replace(settings, buffer_size=slots * settings.num_envs)}),
            FAST: (ours.Updating, {"settings": settings, "mode": "max"}),
            recipe: (ours.Updating, {"settings": settings, "mode": "max", "preset": preset}),
        },
        timing,
    )
    return {
        "batch_size": settings.batch_size,
        "updates_per_second": against(rates, OURS, peer, "updates"),
        "updates_per_second_fast": against(rates, FAST, peer, "updates"),
        f"updates_per_second_{preset.replace('-', '_')}": statistics.median(rates[recipe]["updates"]),
        "contenders": medians(rates),
    }


def run_all(title: str, contenders: Mapping[str, Any], timing: Timing) -> dict[str, Rates]:
    print(f"{title} ...", file=sys.stderr, flush=True)
    return alternate(
        contenders, rounds=timing.rounds, seconds=timing.seconds, warmup_seconds=timing.warmup_seconds
    )  # fmt: skip


def against(rates: dict[str, Rates], one: str, peer: str, key: str, label: str = "sb3") -> dict[str, float]:
    """Medians of both sides; and median, least and greatest of the rounds' ratios."""
    found = ratios(rates[one][key], rates[peer][key])
    return {
        "ours": statistics.median(rates[one][key]),
        label: statistics.median(rates[peer][key]),
        "ratio": statistics.median(found),
        "ratio_min": min(found),
        "ratio_max": max(found),
    }


def medians(rates: dict[str, Rates]) -> dict[str, dict[str, Any]]:
    """Median rates and rates of each round, by contender."""
    return {
        name: {
            **{f"{key}_per_second": statistics.median(values) for key, values in counted.items()},
            "rounds": counted,
        }
        for name, counted in rates.items()
    }
