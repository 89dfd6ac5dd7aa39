"""What a configuration asks of a pretrained network, counted and checked before anything starts."""

from __future__ import annotations

from encoders import published
from training.config.flags import Config
from training.errors import UserError


def describe(config: Config) -> published.Description:
    """Describe the network of a configuration that has one. Raises UserError if it cannot be read, or not be used."""
    assert config.weights is not None
    try:
        found = published.describe(config.weights, config.weights_side)
    except ValueError as error:
        raise UserError(f"--weights: {error}.") from None
    if not found.any_side and config.weights_side != published.SIDE:
        raise UserError(f"--weights-side {config.weights_side}: a vision transformer takes {published.SIDE} alone.")
    return found


def embedding_size(config: Config) -> int:
    """Features that the network makes of the images of one moment, all cameras together."""
    return describe(config).size * len(config.cameras)


def problems(config: Config) -> list[str]:
    """Sentences on flags of pretrained networks, and on those that do not go with them."""
    if config.encoder != "pretrained":
        given = {"--weights": config.weights, "--weights-side": config.weights_side != published.SIDE,
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
