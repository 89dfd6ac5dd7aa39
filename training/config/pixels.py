"""Flags of images, encoders and what teaches them."""

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
    """Views, stacked as channels: default, close, mirror, front, side, above in the Fetch tasks; elsewhere default; the
    model's own cameras by name; free ones by six numbers, distance,azimuth,elevation,x,y,z (metres, degrees)."""
    hide: tuple[str, ...] = ()
    """Sites, geoms or bodies of the model that are left out of the images, such as those that show the goal."""
    proprio_indices: str | None = None
    """The observation's numbers that the robot knows of itself, as in 0:3,9:11, with --obs pixels+vector+goal."""
    render_size: int = envs.SIZE
    """Side of the rendered images in pixels; other than 84, they are resized to 84 as the chapter does."""
    show_goal_marker: bool = False
    """Show the goal in the images. It is the original goal, also where hindsight has put another in its place."""
    msaa: bool = False
    """Render with anti-aliasing (4 samples a pixel)."""
    render_process: bool = False
    """Render all environments in one process of its own, as tiles that are read back together, not in each worker."""
    frame_stack: int = 1
    """Consecutive images that are stacked for the encoder."""
    proprioception: Literal["none", "minimal", "full"] = "full"
    """The robot's own numbers that are shown, where the layout has them: full, 10; minimal, 5, without velocities."""
    encoder: Literal["nature", "manipulation", "drqv2", "fast", "tdmpc2", "dreamer", "pretrained"] = "fast"
    """Family of convolutions; `python -m encoders` prints what each makes of an image, and its price. Or pretrained,
    the network of --weights on each image, with a Linear behind it (--pooling flat or relu)."""
    weights: str | None = None
    """File of published weights: R3M, VIP, VC-1, or torchvision's ResNet or MobileNetV2. A run needs it again when it
    is resumed or evaluated. Or random: MobileNetV2 as it is before any training."""
    weights_side: int = 224
    """Side in pixels that images are resized to for that network. It was trained at 224; convolutions take less."""
    freeze: bool = False
    """Leave the pretrained network as it is. Each image is encoded once, when it is seen, and the replay keeps its
    features in the place of the image."""
    pooling: Pooling = "spatial-softmax"
    """From maps to features: spatial-softmax; flat (a Linear to 50); relu (a Linear to 256 and ReLU: with nature
    convolutions, bytes / 255 and no feature norm SB3's NatureCNN); or simnorm (groups of 8 that add up to 1: with
    tdmpc2 convolutions and no feature norm TD-MPC2's)."""
    feature_norm: bool = True
    """LayerNorm and Tanh after the pooling."""
    pixel_scale: PixelScale = "centered"
    """How the encoder reads bytes: centered, as (byte - 128) / 128, where the 0 that convolutions pad with is mid-grey;
    or unit, as byte / 255, where it is black, as in the book and in SB3."""
    softmax_temperature: float = 1.0
    """Temperature that spatial-softmax starts from; it is learned. Below 1 its points move farther with the maps."""
    coord_conv: bool = False
    """Two more channels that hold each pixel's coordinates."""
    routing: RoutingName = "critic"
    """Which loss trains the encoder: the critic's, the actor's, both, both with an encoder each, or none of them but
    the auxiliary ones (goal)."""
    target_encoder: bool = False
    """The target critic reads an encoder of its own that moves by polyak, as in SB3."""
    encoder_learning_rate: float | None = None
    """Learning rate of the encoder; None for --learning-rate."""
    shift_pad: int = 0
    """Random shifts of the images by at most so many pixels; 0 for none."""
    shared_shift: bool = False
    """Use the same random shift for an observation and the next one; otherwise each has its own."""
    goal_loss: float = 0.0
    """Weight of the loss of a regression of the achieved goal on the encoder's features. The loss is used in training
    only; with --goal-input the estimate is also an input when acting."""
    goal_input: GoalInput = "off"
    """How actor and critic read that regression's estimate: concat (with the features), replace (them), or off."""
    goal_motion: bool = False
    """Actor and critic also read how far the estimate has moved since the observation before: with --goal-input
    replace, without a target encoder."""
    auxiliary: tuple[str, ...] = ()
    """Further losses that teach the encoder beside the routing's, in training only: curl (tell another crop of the same
    images from other images), spr (predict the features to come) and autoencoder (reconstruct the images), each with
    its weight if that is not 1, as in curl spr=0.5."""
    goals_per_image: int = 1
    """Relabelled goals for each encoded transition."""
    updates_per_encoding: int = 1
    """Updates of actor and critic for each pass of the encoder. By default the later ones reuse its output for the same
    observations, with new goals. With --goal-input replace and no target encoder they have other transitions, sampled
    at the same time, and read the estimates that the replay keeps of them (with --shift-pad, of shifted images)."""
