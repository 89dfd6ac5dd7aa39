"""Flags of images, encoders and the losses that train encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import envs
from agent.routing import RoutingName
from auxiliary import GoalInput
from encoders.convolutions import PixelScale
from encoders.pixels import Pooling


@dataclass(frozen=True)
class Pixels:
    cameras: tuple[str, ...] = ("default",)
    """Cameras, stacked as channels: default; in the Fetch tasks also close, mirror, front, side, above, high,
    high-mirror, wide, wide-mirror; the model's own; free ones by six numbers, distance,azimuth,elevation,x,y,z (metres,
    degrees)."""
    hide: tuple[str, ...] = ()
    """Sites, geoms or bodies of the model to leave out of the images, such as markers of the goal."""
    proprio_indices: str | None = None
    """Indices of proprioception within the observation, as in 0:3,9:11, for --obs pixels+vector+goal."""
    render_size: int = envs.SIZE
    """Side of the rendered images in pixels; images of another side than 84 are resized to 84, as in the chapter."""
    show_goal_marker: bool = False
    """Show the goal's marker in the images. It marks the original goal, in relabelled transitions too."""
    msaa: bool = False
    """Render with anti-aliasing (4 samples per pixel)."""
    render_process: bool = False
    """Render all environments in one extra process, as tiles read back together, instead of in each worker."""
    frame_stack: int = 1
    """Consecutive images stacked for the encoder."""
    proprioception: Literal["none", "minimal", "full"] = "full"
    """Proprioception to show, where the layout has it: full, 10 numbers; minimal, 5, without velocities."""
    encoder: Literal["nature", "manipulation", "drqv2", "fast", "tdmpc2", "dreamer", "pretrained"] = "fast"
    """Family of convolutions; `python -m encoders` prints shapes and cost of each. Or pretrained, the network of
    --weights on each image, followed by a Linear (--pooling flat or relu)."""
    weights: str | None = None
    """File of published weights: R3M, VIP, VC-1, or torchvision's ResNet or MobileNetV2. A resume or an evaluation
    needs the file again. Or random: an untrained MobileNetV2."""
    weights_side: int = 224
    """Side in pixels to which images are resized for the pretrained network, trained at 224; a CNN takes less."""
    freeze: bool = False
    """Freeze the pretrained network: encode each image once, when it is observed, and store its features in the replay
    instead of the image."""
    pooling: Pooling = "spatial-softmax"
    """Pooling of maps to features: spatial-softmax; flat (a Linear to 50); relu (a Linear to 256 and ReLU: with nature
    convolutions, bytes / 255 and no feature norm it is SB3's NatureCNN); or simnorm (groups of 8 that sum to 1: with
    tdmpc2 convolutions and no feature norm it is TD-MPC2's)."""
    feature_norm: bool = True
    """LayerNorm and Tanh after the pooling."""
    pixel_scale: PixelScale = "centered"
    """Scale of pixels: centered, (byte - 128) / 128, where zero padding is mid-grey; or unit, byte / 255, where zero
    padding is black, as in the book and in SB3."""
    softmax_temperature: float = 1.0
    """Initial temperature of spatial-softmax; it is learned. Below 1, its points move farther with the maps."""
    coord_conv: bool = False
    """Add two channels with each pixel's coordinates (CoordConv)."""
    routing: RoutingName = "critic"
    """Loss that trains the encoder: critic, actor, both; separate, an encoder each for critic and actor; or goal, the
    auxiliary losses alone."""
    target_encoder: bool = False
    """Give the target critic an encoder of its own, updated by polyak averaging, as in SB3."""
    encoder_learning_rate: float | None = None
    """Learning rate of the encoder; None for --learning-rate."""
    shift_pad: int = 0
    """Largest random shift of the images (DrQ) in pixels; 0 for none."""
    shared_shift: bool = False
    """Use the same random shift for an observation and the next one; otherwise each gets its own."""
    goal_loss: float = 0.0
    """Weight of the auxiliary loss that regresses the achieved goal on the encoder's features. The loss is used in
    training only; with --goal-input the estimate is also an input when acting."""
    goal_input: GoalInput = "off"
    """Estimate of --goal-loss in actor and critic: concat (with all features), replace (image features), or off."""
    goal_motion: bool = False
    """Let actor and critic also read the change of the estimate since the previous observation: with --goal-input
    replace, without a target encoder."""
    auxiliary: tuple[str, ...] = ()
    """Auxiliary losses of the encoder, in training only: curl (tell another crop of the same images from other images),
    spr (predict future features) and autoencoder (reconstruct the images), each with its weight if that is not 1, as in
    curl spr=0.5."""
    goals_per_image: int = 1
    """Goals per encoded transition, each relabelled with probability --her-ratio."""
    updates_per_encoding: int = 1
    """Updates of actor and critic per pass of the encoder. By default the later ones reuse its features for the same
    observations, with new goals. With --goal-input replace and no target encoder, they learn from other transitions,
    sampled at the same time, by the estimates stored in the replay (with --shift-pad, of shifted images)."""
