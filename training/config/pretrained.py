"""The pretrained network of a configuration, described and checked before anything starts."""

from __future__ import annotations

from encoders import description
from training.config.flags import Config
from training.errors import UserError


def describe(config: Config) -> description.Description:
    """Describe a configuration's pretrained network. Raises UserError if its file cannot be read, or not be used."""
    assert config.weights is not None
    try:
        found = description.describe(config.weights, config.weights_side)
    except ValueError as error:
        raise UserError(f"--weights: {error}.") from None
    if not found.any_side and config.weights_side != description.SIDE:
        raise UserError(f"--weights-side {config.weights_side}: a vision transformer takes {description.SIDE} alone.")
    return found


def embedding_size(config: Config) -> int:
    """Number of features of the images at one step, all cameras together."""
    return describe(config).size * len(config.cameras)


def problems(config: Config) -> list[str]:
    """Problems with flags of pretrained networks and with flags that conflict with them, a sentence each."""
    if config.encoder != "pretrained":
        given = {"--weights": config.weights, "--weights-side": config.weights_side != description.SIDE,
                 "--freeze": config.freeze}  # fmt: skip
        flags = ", ".join(flag for flag, there in given.items() if there)
        return [f"{flags} is of --encoder pretrained, not of {config.encoder}: leave it out."] if flags else []
    found = []
    if config.weights is None:
        found.append("--encoder pretrained is made of a file: name it with --weights.")
    if config.pooling not in ("flat", "relu"):
        found.append(f"--encoder pretrained leaves no maps for --pooling {config.pooling}: say flat or relu.")
    if config.coord_conv or config.pixel_scale != "centered":
        found.append("--encoder pretrained reads images as it was trained to: leave out --coord-conv, --pixel-scale.")
    if config.freeze and (config.shift_pad or config.replay_on_disk):
        found.append("--freeze keeps features, no images to shift or store: leave out --shift-pad, --replay-on-disk.")
    return found
