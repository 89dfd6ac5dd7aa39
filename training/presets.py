"""Named configurations. A preset is the first word of the command line and sets the defaults of all flags."""

from __future__ import annotations

from dataclasses import replace

from training.config import Config

PUSH = Config()

PRESETS: dict[str, Config] = {
    "push": PUSH,
    "reach": replace(PUSH, preset="reach", env_id="FetchReach-v4", total_steps=2_000, learning_starts=200,
                     updates_per_step=1.0, eval_every=400, log_every=200),
    "slide": replace(PUSH, preset="slide", env_id="FetchSlide-v4", total_steps=1_000_000, updates_per_step=0.125,
                     eval_every=25_000, log_every=5_000, save_every=200_000),
    "pick-and-place": replace(PUSH, preset="pick-and-place", env_id="FetchPickAndPlace-v4", total_steps=80_000),
    "push-pixels": replace(PUSH, preset="push-pixels", obs="honest", cameras=("close", "mirror"), total_steps=100_000,
                           updates_per_step=0.125, head_updates=8, head="flat",
                           routing="goal", goal_loss=1.0, goal_input="instead", buffer_size=110_000, save_every=50_000),
    # The chapter's own state run, with SB3's defaults where the chapter names none. Its inputs are not normalised:
    # bfloat16 would round them coarsely, so it computes in plain float32.
    "book-state": replace(PUSH, preset="book-state", total_steps=2_000_000, learning_rate=3e-4,
                          updates_per_step=0.125, tau=0.005, alpha=0.05, layer_norm=False, normalize=False,
                          relative_goals=False, goal_tries=1, random_actions=0.0, guided_episodes=0.0,
                          clip_targets=False, accelerate="off", eval_every=40_000, log_every=10_000,
                          save_every=500_000),
}  # fmt: skip
