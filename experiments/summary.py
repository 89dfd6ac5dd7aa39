"""The numbers of an experiment, per seed and over its seeds.

- Success and its 95% interval: at the last step of the episodes of the evaluation after training (eval.json). Over
  seeds: the mean, and the interval of all their episodes taken together.
- Ever: success at any step of the same episodes. Episodes in between reached the goal and left it again.
- Steps and seconds to a level: of the first of two consecutive deterministic evaluations at that level or more. A seed
  that never gets there counts as infinity in the median over seeds: it is never left out.
- Inflection: the curve of evaluations is smoothed (each point the mean of itself and both neighbours; the two ends stay
  as they are), and the inflection is the step half-way through its steepest rise, the first if there are several;
  neighbouring pieces that are equally steep are one rise. A smoothed curve that nowhere gains 20 points has none.
- Buckets: mean success of the evaluations within each tenth of the budget. An evaluation belongs where it was due: all
  environments step together, so it may come up to num_envs - 1 steps late.
- Environment steps per second: median over the rows of metrics.csv in which the agent learned, except those that
  contain an evaluation. (The row after an evaluation has its seconds.)
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from analysis.curves import thousands
from experiments.evidence import Result
from training.config.flags import Config
from training.errors import RunFailed
from training.finish import first_of_two
from training.logger import Row
from training.progress import duration
from training.rollout.evaluate import wilson_interval
from training.whole import replacing

LEVELS = (50, 90, 95)  # percent
BUCKETS = 10
LEAST_GAIN = 0.2  # of the smoothed curve, to have an inflection

Numbers = dict[str, float]  # infinity: not reached; NaN: nothing to count


def curve(rows: list[Row]) -> list[tuple[float, float]]:
    """(step, success) of each deterministic evaluation."""
    return [(row["step"], row["eval_success"]) for row in rows if "eval_success" in row]


def numbers_of(result: Result) -> Numbers:
    """Numbers of one seed."""
    rows, final = result.rows, result.final
    low, high = wilson_interval(_successes(result), final["episodes"])
    numbers: Numbers = {
        "success": final["success_rate"],
        "ever": final.get("ever_success_rate", math.nan),  # NaN for runs before it was counted
        "ci95_low": low,
        "ci95_high": high,
        "episodes": final["episodes"],
        "best_evaluation": max(success for _, success in curve(rows)),
    }
    for level in LEVELS:
        row = first_of_two(rows, level / 100)
        numbers[f"steps_to_{level}"] = row["step"] if row else math.inf
        numbers[f"seconds_to_{level}"] = row["seconds"] if row else math.inf
    numbers["inflection_step"] = inflection(curve(rows))
    for number, success in enumerate(bucket_means(curve(rows), result.config), start=1):
        numbers[f"success_in_bucket_{number}"] = success
    numbers["updates"] = final["updates"]
    numbers["wall_seconds"] = final["wall_seconds"]
    numbers["env_steps_per_second"] = steps_per_second(rows)
    return numbers


def over_seeds(results: Sequence[Result]) -> Numbers:
    """Means of success, sums of episodes, medians of the rest."""
    each = [numbers_of(result) for result in results]
    episodes = sum(result.final["episodes"] for result in results)
    together: Numbers = {}
    for name in each[0]:
        values = [numbers[name] for numbers in each]
        mean = name in ("success", "ever", "best_evaluation") or name.startswith("success_in_bucket")
        together[name] = statistics.fmean(values) if mean else statistics.median(values)
    low, high = wilson_interval(sum(_successes(result) for result in results), episodes)
    return together | {"episodes": episodes, "ci95_low": low, "ci95_high": high}


def _successes(result: Result) -> int:
    return round(result.final["success_rate"] * result.final["episodes"])


def smoothed(values: list[float]) -> list[float]:
    inner = [statistics.fmean(values[i - 1 : i + 2]) for i in range(1, len(values) - 1)]
    return [values[0], *inner, values[-1]] if len(values) > 1 else list(values)


def inflection(points: list[tuple[float, float]]) -> float:
    """Step at which success rises most steeply, as defined above; infinity if there is none."""
    values = smoothed([success for _, success in points])
    gain = max((later - earlier for earlier, later in itertools.combinations(values, 2)), default=0.0)
    if gain < LEAST_GAIN - 1e-9:
        return math.inf
    steps = [step for step, _ in points]
    slopes = [(values[i + 1] - values[i]) / (steps[i + 1] - steps[i]) for i in range(len(steps) - 1)]
    equal = [math.isclose(slope, max(slopes), rel_tol=1e-9) for slope in slopes]
    first = end = equal.index(True)
    while end < len(equal) and equal[end]:
        end += 1
    return (steps[first] + steps[end]) / 2


def bucket_means(points: list[tuple[float, float]], config: Config) -> list[float]:
    """Mean success in each tenth of the budget; bucket b holds steps in (b, b + 1] tenths. NaN where it is empty."""
    held: list[list[float]] = [[] for _ in range(BUCKETS)]
    for step, success in points:
        earliest_due = step - config.num_envs + 1
        bucket = math.ceil(earliest_due * BUCKETS / config.total_steps) - 1
        held[min(max(bucket, 0), BUCKETS - 1)].append(success)
    return [statistics.fmean(values) if values else math.nan for values in held]


def steps_per_second(rows: list[Row]) -> float:
    rates = [
        row["steps_per_second"]
        for before, row in itertools.pairwise(rows)
        if row["updates"] > before["updates"] and "eval_success" not in before
    ]
    return statistics.median(rates) if rates else math.nan


# ---------------------------------------------------------------------- tables


def to_csv(results: Sequence[Result]) -> str:
    """Table of one row per seed, and one for all."""
    text = io.StringIO()
    rows = [(str(result.config.seed), numbers_of(result)) for result in results] + [("all", over_seeds(results))]
    writer = csv.DictWriter(text, ["seed", *rows[0][1]], lineterminator="\n")
    writer.writeheader()
    for seed, numbers in rows:
        writer.writerow({"seed": seed} | {name: _cell(value) for name, value in numbers.items()})
    return text.getvalue()


def _cell(value: float) -> str:
    return "not reached" if math.isinf(value) else "" if math.isnan(value) else f"{value:.10g}"


def to_markdown(name: str, shows: str, results: Sequence[Result]) -> str:
    each = [(str(result.config.seed), numbers_of(result)) for result in results] + [("**all**", over_seeds(results))]
    levels = [f"{level}%: steps, time" for level in LEVELS]
    table = [["seed", "success [95%]", "ever", "best evaluation", *levels, "inflection", "updates", "whole time",
              "steps/s"]]  # fmt: skip
    buckets = [["seed", *(f"to {step_label(tenth, results)}" for tenth in range(1, BUCKETS + 1))]]
    for seed, n in each:
        success = f"{n['success']:.1%} [{n['ci95_low']:.1%}, {n['ci95_high']:.1%}]"
        reached = [_reached(n[f"steps_to_{level}"], n[f"seconds_to_{level}"]) for level in LEVELS]
        turn = "none" if math.isinf(n["inflection_step"]) else thousands(n["inflection_step"])
        rate = "-" if math.isnan(n["env_steps_per_second"]) else f"{n['env_steps_per_second']:.0f}"
        ever = "-" if math.isnan(n["ever"]) else f"{n['ever']:.1%}"
        table.append([seed, success, ever, f"{n['best_evaluation']:.1%}", *reached, turn, f"{n['updates']:.0f}",
                      duration(n["wall_seconds"]), rate])  # fmt: skip
        means = [n[f"success_in_bucket_{number}"] for number in range(1, BUCKETS + 1)]
        buckets.append([seed, *("-" if math.isnan(mean) else f"{mean:.0%}" for mean in means)])
    lowest = min(result.final["success_rate"] for result in results)
    return "\n".join(
        [
            f"# {name}", "", f"{shows} {len(results)} seed{'s' * (len(results) > 1)}, lowest success {lowest:.1%}.", "",
            *_table(table), "", "Mean success of the evaluations within each tenth of the budget:", "",
            *_table(buckets), "",
            "The last row has means of success, the interval of all episodes together, and medians of the rest, in",
            "which a level that was not reached counts as infinity. Exact definitions: experiments/summary.py.", "",
            conditions(results), "",
        ]
    )  # fmt: skip


def conditions(results: Sequence[Result]) -> str:
    """Sentence on the conditions under which seconds were measured."""
    said: dict[str, list[str]] = {}  # condition -> its seeds
    for result in results:
        many = result.runs_at_once
        beside = "an unknown number of" if many is None else "no other" if many == 1 else f"{many - 1} other"
        runs = "such run" if many == 2 else "such runs"
        what = f"on {result.threads} thread{'s' * (result.threads > 1)} with {beside} {runs} on the machine"
        said.setdefault(what, []).append(str(result.config.seed))
    parts = [f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)} {what}" for what, seeds in said.items()]
    return f"Seconds were measured for {'; '.join(parts)}."


def _table(rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _reached(steps: float, seconds: float) -> str:
    return "not reached" if math.isinf(steps) else f"{thousands(steps)}, {duration(seconds)}"


def step_label(tenth: int, results: Sequence[Result]) -> str:
    return thousands(results[0].config.total_steps * tenth / BUCKETS)


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files, each whole or not at all. Raises RunFailed if one cannot be written."""
    for name, text in files.items():
        try:
            with replacing(folder / name) as temporary:
                temporary.write_text(text)
        except OSError as error:
            raise RunFailed(f"{folder / name} could not be written ({error.strerror}): free some space.") from error
