"""Whether latents say where the object is: `python -m analysis.gate OUT [--betas 1 0.1 10] [--latents 32 8]`.

The gate before any run with `--goals latent`: R2 of the object's x and y from the latents must be at least 0.8. R2
is `training.latent.r_squared`: a linear regression with a constant, fitted on the four fifths of the episodes that the
autoencoder is trained on, and tested on the rest; images with the object fallen off the table are left out.

The first setting takes the first value of each list; each other setting changes one of them. All are trained on
the same images of random and guided episodes (`training/frames.py`). OUT/gate.csv has a row per setting, OUT/gate.png
four held-out images per setting and, below, their reconstructions, both in the setting's first
view alone. Beside R2 stands what a distance between latents tells: that of goals 5 cm apart, and that of one goal with
the arm elsewhere, which the reward would pay for as well.

The known trap: an object of few pixels weighs little in the error of an image, and a large beta drowns it first. R2 is
blind to scale, and the means of a VAE's collapsed latents (a KL near 0) may pass: look at the KL and the images too.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

import envs
from analysis.command import command
from envs.rendering import captions
from goals.autoencoder import Autoencoder, Examples, Losses
from goals.goal_encoder import encoded
from goals.training import LEARNING_RATE, fit
from training import frames
from training.config.latent import Latent
from training.errors import UserError
from training.frames import Frames
from training.latent import HELD_OUT, TOLD, make_autoencoder, r_squared

GATE = 0.8
MOVED = 0.05  # metres; an object so near its goal is a success
PAIRS = 200
OF_VAES = ("crops", "latents", "betas", "conditional")  # flags
SHOWN = 4  # images of each setting
SIDE = 144  # pixels a side to which each image is enlarged


@dataclass(frozen=True)
class Arguments:
    out: tyro.conf.Positional[Path]
    """A folder for gate.csv and gate.png."""
    model: Literal["vae", "spatial"] = "vae"
    """As --latent-model. A spatial one has no crops, latents and betas to choose."""
    views: tuple[str, ...] = ("close+mirror", "close", "front", "default")
    """Cameras of each setting, joined by + if several."""
    crops: tuple[int, ...] = (Latent.latent_crop, 84)
    """Sides in pixels of the crop from the middle of each 84x84 image."""
    latents: tuple[int, ...] = (Latent.latent_size, 8, 4)
    """Numbers of a VAE's latents."""
    betas: tuple[float, ...] = (Latent.latent_beta, 0.1, 10.0, 100.0)
    """Weights of the KL divergence, per image."""
    conditional: bool = False
    """Tell VAEs' decoders the robot's own numbers (--latent-conditional)."""
    warm_up: int = Latent.latent_warm_up
    """As --latent-warm-up, with --conditional or of a spatial model."""
    updates: int = Latent.latent_updates
    """Updates of each autoencoder."""
    count: int = Latent.latent_frames
    """Number of images, the held-out ones included."""
    env_id: str = "FetchPush-v4"
    """A Fetch task with an object."""
    seed: int = 0
    """Seed of the episodes and of the autoencoders."""


class Apart(NamedTuple):
    """Images (N, 84, 84, 3 C) of goals, and what differs from them in one thing."""

    goals: Tensor
    moved: Tensor  # the object MOVED away
    arm: Tensor  # the arm elsewhere

    @staticmethod
    def of(images: envs.GoalImages, played: Frames, seed: int) -> Apart:
        """Goals where the object has lain on the table, with arms as they have been."""
        rng = np.random.default_rng(seed)
        rows = rng.permutation(np.flatnonzero(played.on_table))[:PAIRS]
        goals, angle = played.position[rows], rng.uniform(0, 2 * np.pi, len(rows))
        beside = goals + MOVED * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        arms = images.render(images.poses(goals, played.pose[rng.permutation(rows)]))
        return Apart(*(torch.from_numpy(part) for part in (images(goals), images(beside), arms)))


class Setting(NamedTuple):
    model: str
    views: str
    crop: int
    latents: int
    beta: float


@dataclass(frozen=True)
class Result:
    model: str
    views: str
    crop: int
    latents: int
    beta: float
    updates: int
    reconstruction: float  # of the last minibatch, per image
    kl: float  # nats per image, of the same
    r2: float
    median_cm: float  # distance of the regression's x and y from the true ones, held-out episodes
    moved: float  # median distance between the latents of goals 5 cm apart
    arm: float  # the same of images of one goal, the arm elsewhere in the second

    @property
    def setting(self) -> str:
        if self.model == "spatial":
            return f"{self.views}, spatial"
        return f"{self.views}, crop {self.crop}, {self.latents} latents, beta {self.beta:g}"


def settings(arguments: Arguments) -> list[Setting]:
    """All settings: the first value of each list, and each other value in the place of its list's first."""
    if arguments.model == "spatial":
        return [Setting("spatial", views, envs.SIZE, 2 * len(views.split("+")), 0.0) for views in arguments.views]
    lists: dict[str, Sequence[Any]] = {"views": arguments.views, "crop": arguments.crops, "latents": arguments.latents,
                                      "beta": arguments.betas}  # fmt: skip
    first = {name: values[0] for name, values in lists.items()}
    others = [first | {name: value} for name, values in lists.items() for value in values[1:]]
    return [Setting("vae", **one) for one in (first, *others)]


def channels(pixels: NDArray[np.uint8], cameras: Sequence[str], views: str) -> Tensor:
    """Images (N, 84, 84, 3 C) of the cameras in `views`, selected from those of all `cameras`."""
    wanted = [3 * cameras.index(name) + color for name in views.split("+") for color in range(3)]
    return torch.from_numpy(pixels[..., wanted])


def try_setting(
    setting: Setting, pixels: Tensor, apart: Apart, played: Frames, arguments: Arguments
) -> tuple[Result, Autoencoder]:
    """Train an autoencoder on images (N, 84, 84, 3 C), and measure how well its latents tell the object's position."""
    torch.manual_seed(arguments.seed)
    told = TOLD if arguments.conditional or setting.model == "spatial" else 0
    model = make_autoencoder(setting.model, pixels.shape[-1], setting.latents, setting.crop, setting.beta, told)
    generator = torch.Generator().manual_seed(arguments.seed)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    fitted, on_table = torch.from_numpy(played.episode % HELD_OUT != 0), torch.from_numpy(played.on_table)
    examples = Examples(pixels[fitted], torch.from_numpy(played.proprioception)[fitted, : model.told])
    model.begin(examples)
    losses: Losses = fit(
        model,
        optimizer,
        examples,
        arguments.updates,
        generator,
        warm_up=arguments.warm_up if told else 0,
    )
    latent, goals, moved, arm = (encoded(model, one) for one in (pixels, *apart))
    position = torch.from_numpy(played.position[:, :2])
    found = r_squared(latent, position, fitted & on_table, ~fitted & on_table)
    distances = ((one - goals).norm(dim=1).median().item() for one in (moved, arm))
    lost = losses.reconstruction.item(), losses.kl.item()
    return Result(*setting, arguments.updates, *lost, found.score, 100 * found.median, *distances), model


@torch.no_grad()
def strip(result: Result, model: Autoencoder, pixels: Tensor, told: Tensor) -> NDArray[np.uint8]:
    """Images (SHOWN, 84, 84, 3 C) above their reconstructions, in the first view, with the setting as caption."""
    prepared = model.prepared(pixels)
    both = torch.stack([prepared, model.reconstruct(prepared, told).clamp(0, 1)])
    images = both[:, :, :3]  # (2, SHOWN, 3, s, s)
    large = torch.nn.functional.interpolate(images.flatten(0, 1), (SIDE, SIDE)).unflatten(0, (2, SHOWN))
    rows = large.permute(0, 3, 1, 4, 2).reshape(2 * SIDE, SHOWN * SIDE, 3)
    image = (255 * rows).to(torch.uint8).numpy()
    captions.write(image, f"{result.setting}: R2 {result.r2:.2f}")
    return image


def save(out: Path, results: Sequence[Result], strips: Sequence[NDArray[np.uint8]]) -> None:
    """Write the results so far."""
    from PIL import Image

    with (out / "gate.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Result)], lineterminator="\n")
        writer.writeheader()
        for result in results:
            rounded = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in dataclasses.asdict(result).items()}
            writer.writerow(rounded)
    Image.fromarray(np.concatenate(strips)).save(out / "gate.png", optimize=True)


def run(arguments: Arguments) -> None:
    """Try all settings. Raises UserError for settings that cannot be tried."""
    cameras = list(dict.fromkeys(name for views in arguments.views for name in views.split("+")))
    if not all((arguments.views, arguments.crops, arguments.latents, arguments.betas)) or arguments.count < 100:
        raise UserError("give each list one value at least, and --count 100 at least.")
    if arguments.model == "spatial" and any(getattr(arguments, name) != getattr(Arguments, name) for name in OF_VAES):
        raise UserError("a spatial model has no crops, latents, betas and choice of what it is told: leave these out.")
    if arguments.model == "spatial" and arguments.warm_up >= arguments.updates:
        raise UserError("--warm-up takes all --updates: leave some in which to seek the object.")
    console = Console(markup=False)
    try:
        envs.check_goal_images(arguments.env_id)
        spec, view = envs.find_spec(arguments.env_id), envs.CameraConfig(tuple(cameras))
        envs.check_view(spec, view)
        images = envs.GoalImages(spec, view)
        played = frames.play(arguments.env_id, images, arguments.count, arguments.seed)
        apart = Apart.of(images, played, arguments.seed)
    except (ValueError, envs.RenderError) as error:
        raise UserError(str(error)) from None
    images.close()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = np.flatnonzero((played.episode % HELD_OUT == 0) & played.on_table)
    shown = rows[:: max(1, len(rows) // SHOWN)][:SHOWN]
    results: list[Result] = []
    strips: list[NDArray[np.uint8]] = []
    for setting in settings(arguments):
        pixels = channels(played.pixels, cameras, setting.views)
        seen = Apart(*(channels(part.numpy(), cameras, setting.views) for part in apart))
        result, model = try_setting(setting, pixels, seen, played, arguments)
        results.append(result)
        told = torch.from_numpy(played.proprioception[shown, : model.told])
        strips.append(strip(result, model, pixels[shown], told))
        save(arguments.out, results, strips)
        console.print(f"{result.setting}: R2 {result.r2:.3f}")
    table = Table("setting", "loss", "KL", "R2", "median cm", f"{100 * MOVED:g} cm apart", "arm elsewhere", "gate")
    for result in results:
        numbers = result.reconstruction, result.kl, result.r2, result.median_cm, result.moved, result.arm
        cells = [f"{number:.3g}" for number in numbers]
        table.add_row(result.setting, *cells, "passed" if result.r2 >= GATE else "not passed")
    console.print(table)


def main(arguments: Sequence[str]) -> int:
    return command("analysis.gate", __doc__, Arguments, run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
