"""Experiments on what trains the encoder: honest Push from pixels, with one loss more or less that reaches it."""

from __future__ import annotations

from experiments.experiment import Experiment

# push-pixels with an encoder trained by the critic, and networks that read its features: as many images, updates and
# steps. The encoder's learning rate is as low as the critic's loss requires (ablations 27 and 28, 34 to 37).
_CRITIC = (
    "--routing critic --goal-loss 0 --goal-input off --no-goal-motion --encoder-learning-rate 2e-4 --final-episodes 200"
)

_ROWS = {
    "eyes-critic": ("", "The critic's loss alone."),
    "eyes-shift": ("--shift-pad 4", "The critic's loss, and random shifts of 4 pixels (DrQ)."),
    "eyes-curl": ("--auxiliary curl", "The critic's loss, and CURL: which image is another crop of this one."),
    "eyes-spr": ("--auxiliary spr", "The critic's loss, and SPR: what the next observations' features will be."),
    "eyes-autoencoder": ("--auxiliary autoencoder", "The critic's loss, and the reconstruction of the images."),
    "eyes-latent": (
        "--goals latent --goal-noise 0 --goal-tries 1 --her-ratio 0.9",
        "The critic's loss, with goals that are images: latents of a VAE and distances between them (RIG).",
    ),
    "eyes-latent-skewed": (
        "--goals latent --goal-noise 0 --goal-tries 1 --her-ratio 0.9 --goal-sampling skewed",
        "The same, with rare images as imagined goals, and a VAE that is trained on (Skew-Fit).",
    ),
    "eyes-goal": ("--goal-loss 1", "The critic's loss, and the regression of the block's position, as a loss alone."),
}

EYES = {name: Experiment("push-pixels", f"{_CRITIC} {flags}".strip(), shows) for name, (flags, shows) in _ROWS.items()}

# The question's last row is an experiment already: the regression alone, whose estimate the networks read.
EYES_ALIASES = {"eyes-goal-alone": "push-pixels"}
