"""How many images per second are rendered at 84x84: `python -m benchmarks.drawing [--json]`.

Compares several processes that render one image at a time, as workers do for their own environments, with one process
that renders many images as tiles and reads them back together (`--render-process`). On some GPUs several rendering
processes are reported to hang: a layout that exceeds a time limit is stopped and reported as hanging. No physics.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import envs
from benchmarks.provenance import provenance

MOST_TILES = 96  # one below the other, in a frame buffer that every driver allows
Layout = tuple[int, int]  # processes, and the tiles that each reads back at once


@dataclass(frozen=True)
class Options:
    processes: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of processes that render one image at a time, side by side."""
    tiles: tuple[int, ...] = (8, 32, 64)
    """Numbers of tiles that one process renders before it reads them back together."""
    seconds: float = 3.0
    """Seconds of rendering in a round."""
    rounds: int = 3
    """Rounds of each layout, in turn."""
    limit: float = 60.0
    """Seconds after which a layout is reported as hanging."""
    cuda: bool = False
    """Have each process hold a CUDA context too, as a trainer that renders by itself does."""
    json: bool = False
    """Print one JSON object instead of a table."""


def render(pipe: Connection, tiles: int, seconds: float, cuda: bool) -> None:
    """Render in a process of its own: send the renderer's name, wait for the start, then send images per second."""
    from envs.rendering.renderer import Renderer

    if cuda:
        import torch

        torch.zeros(1, device="cuda")
    env = envs.make_env("FetchPush-v4")
    poses, view = _poses(env, tiles), envs.CameraConfig()
    renderer = Renderer(env.get_wrapper_attr("stock").model, view, tiles)
    images = np.empty((tiles, *view.shape), np.uint8)
    renderer.render(poses, images)  # what is made at first use
    pipe.send(renderer.name)
    pipe.recv()
    begun, rendered = time.perf_counter(), 0
    while (taken := time.perf_counter() - begun) < seconds:
        renderer.render(poses, images)
        rendered += tiles
    pipe.send(rendered / taken)
    renderer.close()


def _poses(env: Any, count: int) -> np.ndarray:
    """Poses (count, P) of one environment that moves at random."""
    env.reset(seed=0)
    poses = []
    for action in np.random.default_rng(0).uniform(-1, 1, (count, 4)).astype(np.float32):
        env.step(action)
        poses.append(env.get_wrapper_attr("pose")())
    return np.stack(poses)


def images_per_second(layout: Layout, options: Options) -> tuple[float, str] | None:
    """Images per second of all processes together, and GL_RENDERER; None for a layout that hangs.

    Raises:
        RuntimeError: if one of the processes fails, as it says on standard error.
    """
    count, tiles = layout
    context = multiprocessing.get_context("spawn")  # a fork would inherit what cannot be shared
    ends = [context.Pipe() for _ in range(count)]
    processes = [context.Process(target=render, args=(end, tiles, options.seconds, options.cuda)) for _, end in ends]
    pipes = [ours for ours, _ in ends]
    try:
        for process, (_, theirs) in zip(processes, ends, strict=True):
            process.start()
            theirs.close()
        until = time.monotonic() + options.limit
        if (names := _answers(pipes, until)) is None:
            return None
        for pipe in pipes:
            pipe.send("go")
        if (rates := _answers(pipes, until + options.seconds)) is None:
            return None
        return sum(rates), names[0]
    except (EOFError, OSError):
        raise RuntimeError("a process that renders died") from None
    finally:
        for process in processes:
            process.kill()
            process.join()


def _answers(pipes: Sequence[Connection], until: float) -> list[Any] | None:
    """Answers, one per process; None if a process has not answered by `until`."""
    answers = []
    for pipe in pipes:
        if not pipe.poll(max(0.0, until - time.monotonic())):
            return None
        answers.append(pipe.recv())
    return answers


def report_of(options: Options) -> dict[str, Any]:
    """Measure all layouts in turn. Raises RuntimeError if a process fails."""
    before = provenance()
    layouts = [*((count, 1) for count in options.processes), *((1, tiles) for tiles in options.tiles)]
    rates: dict[Layout, list[float]] = {layout: [] for layout in layouts}
    hang: set[Layout] = set()
    name = None
    for _ in range(options.rounds):
        for layout in layouts:
            if layout in hang:
                continue
            if (found := images_per_second(layout, options)) is None:
                hang.add(layout)
            else:
                rate, name = found
                rates[layout].append(rate)
    return {
        **before,
        "gl_renderer": name,
        **asdict(options),
        "layouts": [
            {
                "processes": layout[0],
                "tiles": layout[1],
                "pictures_per_second": None if layout in hang else statistics.median(rates[layout]),
                "rounds": rates[layout],
            }
            for layout in layouts
        ],
    }


def show(report: dict[str, Any]) -> None:
    table = Table(title=f"{report['gl_renderer']}, {report['cores']} cores", title_justify="left")
    for heading in ("processes", "tiles", "images/s", "least", "greatest"):
        table.add_column(heading, justify="right")
    for one in report["layouts"]:
        median, rounds = one["pictures_per_second"], one["rounds"]
        shown = ["hangs", "", ""] if median is None else [f"{rate:,.0f}" for rate in (median, min(rounds), max(rounds))]
        table.add_row(str(one["processes"]), str(one["tiles"]), *shown)
    Console().print(table)


def main(arguments: Sequence[str]) -> int:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.drawing", description=__doc__)
    layouts = (*options.processes, *options.tiles)
    if not layouts or min(*layouts, options.rounds) < 1 or max(options.tiles, default=1) > MOST_TILES:
        print(f"benchmarks.drawing: --processes, --tiles ({MOST_TILES} at most) and --rounds are at least 1.",
              file=sys.stderr)  # fmt: skip
        return 2
    if not 0 < options.seconds < options.limit:
        print("benchmarks.drawing: --seconds is above 0 and below --limit.", file=sys.stderr)
        return 2
    try:
        envs.check_gl()
        report = report_of(options)
    except (envs.RenderError, RuntimeError) as error:
        print(f"benchmarks.drawing: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
