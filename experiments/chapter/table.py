"""The chapter's experiments: the preset `chapter`, the book's eyes on our learner, with a flag or two changed."""

from __future__ import annotations

from experiments.experiment import Experiment

# Several questions compare with the same runs: a second name for them.
ALIASES = {
    "step-3": "step-2",
    "cell-a": "step-2",
    "cell-d": "step-4",
    "routing-critic": "step-2",
    "routing-separate": "step-1",
    "encoder-fast": "step-2",
    "temperature-1": "step-2",
}

_STEPS = {
    "step-0": (
        "--encoder nature --pooling relu --no-feature-norm --routing separate",
        "Step 0: SB3's NatureCNN and SB3's routing, an encoder each for actor and critic.",
    ),
    "step-1": ("--routing separate", "Step 1: SpatialSoftmax, with SB3's routing still."),
    "step-2": ("", "Step 2: the encoder trained by the critic alone. Also cell A of the factorial."),
    "step-4": ("--shift-pad 4", "Step 4: step 2 with random shifts of 4 pixels. Also cell D of the factorial."),
    "cell-b": ("--pooling flat", "Cell B: a flat linear trunk in the place of SpatialSoftmax, no shifts."),
    "cell-c": ("--pooling flat --shift-pad 4", "Cell C: the flat trunk, with random shifts."),
    "routing-actor": ("--routing actor", "One encoder, trained by the actor alone (SB3 with --share-encoder)."),
    "routing-both": ("--routing both", "One encoder, trained by both losses."),
    "encoder-nature": ("--encoder nature", "NatureCNN's convolutions under SpatialSoftmax, trained by the critic."),
    "encoder-manipulation": ("--encoder manipulation", "The chapter's convolutions in the place of our fast ones."),
    "temperature-0.3": ("--softmax-temperature 0.3", "SpatialSoftmax that starts at temperature 0.3."),
    "temperature-0.1": ("--softmax-temperature 0.1", "SpatialSoftmax that starts at temperature 0.1."),
    "temperature-0.03": ("--softmax-temperature 0.03", "SpatialSoftmax that starts at temperature 0.03."),
}

# The same questions without the block's position among the inputs.
HONEST = ("step-1", "step-2", "step-4", "cell-b", "cell-c", "routing-actor", "routing-both")

_SIDEBARS = {
    "no-feature-norm": ("--no-feature-norm", "Without LayerNorm and Tanh after the pooling."),
    "stack-4": ("--frame-stack 4", "Four images in the place of one."),
    "no-proprio": ("--proprioception none", "Without proprioception."),
    "proprio-minimal": ("--proprioception minimal", "Of proprioception only where gripper and fingers are."),
    "coord-conv": ("--coord-conv", "With two channels of coordinates (CoordConv)."),
    "render-480": ("--render-size 480 --msaa", "Images rendered at 480x480 and resized, as the chapter has them."),
    "goal-marker": ("--show-goal-marker", "With the red marker of the original goal in the images."),
    "pad-8": ("--shift-pad 8", "Random shifts of 8 pixels."),
}

_PROBES = {
    "probe-lr": (
        "--learning-rate 3e-3 --encoder-learning-rate 9e-4",
        "Three times the learning rates, as the book's probe from 1e-4 to 3e-4.",
    ),
    "probe-updates": ("--updates-per-step 0.5", "Twice the updates."),
    "probe-k": (f"--her-ratio {8 / 9:.4f}", "k = 8 relabelled goals for each original in the place of 4."),
    "probe-envs": ("--num-envs 16", "Twice the environments."),
    "probe-gamma": ("--gamma 0.98", "A discount of 0.98."),
    "probe-alpha": ("--alpha 0.04", "Twice the temperature."),
    "probe-three": (
        f"--learning-rate 3e-3 --encoder-learning-rate 9e-4 --updates-per-step 0.5 --her-ratio {8 / 9:.4f}",
        "The first three probes together.",
    ),
}

# The factorial where success needs the images: only the hand's position matters, and no number tells it.
REACH = (
    "--env-id FetchReach-v4 --obs pixels-only --total-steps 16000 --eval-every 1000 --goals-per-image 4 "
    "--updates-per-encoding 4"
)
_SEEING = {
    "reach-cell-a": (REACH, "Cell A on Reach from images alone: SpatialSoftmax, no shifts."),
    "reach-cell-b": (f"{REACH} --pooling flat", "Cell B on Reach from images alone: flat, no shifts."),
    "reach-cell-c": (f"{REACH} --pooling flat --shift-pad 4", "Cell C on Reach from images alone: flat, shifts of 4."),
    "reach-cell-d": (f"{REACH} --shift-pad 4", "Cell D on Reach from images alone: SpatialSoftmax, shifts of 4."),
    "reach-temperature-0.1": (
        f"{REACH} --softmax-temperature 0.1",
        "Cell A on Reach, from a SpatialSoftmax that starts at temperature 0.1.",
    ),
    "reach-nature": (f"{REACH} --encoder nature", "Cell A on Reach, with NatureCNN's convolutions."),
    "reach-actor": (f"{REACH} --routing actor", "Cell A on Reach, the encoder trained by the actor alone."),
    "reach-separate": (f"{REACH} --routing separate", "Cell A on Reach, with an encoder each, as SB3 has it."),
    "reach-both": (f"{REACH} --routing both", "Cell A on Reach, the encoder trained by both losses."),
    **{
        f"reach-{name}": (f"{REACH} {_SIDEBARS[name][0]}", f"Cell A on Reach. {_SIDEBARS[name][1]}")
        for name in ("no-feature-norm", "stack-4", "coord-conv", "render-480", "goal-marker", "pad-8")
    },
}

# Runs that ended flat, with twice their budget: are they flat, or slow?
_TWICE = {
    **{
        f"{name}-twice": (f"{_SEEING[name][0]} --total-steps 32000", f"{_SEEING[name][1]} Twice the budget.")
        for name in ("reach-cell-d", "reach-actor", "reach-no-feature-norm", "reach-coord-conv", "reach-pad-8")
    },
    "no-proprio-twice": (
        f"{_SIDEBARS['no-proprio'][0]} --total-steps 96000",
        "Without proprioception, twice as long.",
    ),
}

# The chapter's winning run was stopped at 2M of its 4.2M steps, and went on with an empty replay.
_RESUMED = {
    "lost-replay": Experiment(
        "chapter", "", "Step 2, stopped half-way and resumed with an empty replay.", replay_lost_at=24_000
    )
}

# Step 2 without its images: all else as in the preset `chapter`.
_TWIN = "--batch-size 64 --updates-per-step 0.25 --total-steps 48000 --buffer-size 50000"
_TWINS = {
    "twin-blind": Experiment("push", f"--obs blind {_TWIN}", "Step 2 without its images: the same vectors."),
    "twin-state": Experiment("push", _TWIN, "Step 2 from state: all numbers, no images."),
}

# The book's own settings, whole. At the 9 to 15 steps/s that two cores make with them, 4.2M steps take 3 to 5 days.
_DAYS = "with the book's own settings: 3 to 5 days on two cores"
_BOOK = {
    "book-blind": Experiment(
        "book-state", "--obs blind", "The book's settings from state on 16 numbers (its control had a rate of 1e-4)."
    ),
    "book-cell-a": Experiment("book-pixels", "", f"The book's winning run, {_DAYS}."),
    "book-cell-b": Experiment("book-pixels", "--pooling flat", f"Cell B {_DAYS}."),
    "book-cell-c": Experiment("book-pixels", "--pooling flat --shift-pad 4", f"Cell C {_DAYS}."),
    "book-cell-d": Experiment(
        "book-pixels", "--shift-pad 4", f"Cell D {_DAYS} (its run had a replay of 200K and k = 4)."
    ),
}

CHAPTER: dict[str, Experiment] = {
    **{name: Experiment("chapter", *row) for name, row in (_STEPS | _SIDEBARS | _PROBES | _SEEING | _TWICE).items()},
    **{
        f"honest-{name}": Experiment(
            "chapter", f"--obs honest {_STEPS[name][0]}".strip(), f"{_STEPS[name][1]} Without the block's position."
        )
        for name in HONEST
    },
    **_RESUMED,
    **_TWINS,
    **_BOOK,
}
