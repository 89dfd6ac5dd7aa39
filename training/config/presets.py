"""Named configurations. A preset is the first word of the command line and sets the defaults of all flags."""

from __future__ import annotations

from dataclasses import replace

from training.config.flags import Config

PUSH = Config()

PUSH_PIXELS = replace(PUSH, preset="push-pixels", obs="honest", total_steps=48_000, updates_per_step=0.125,
                      updates_per_encoding=8, cameras=("close", "mirror"), encoder="fast", pooling="flat",
                      routing="goal", goal_loss=1.0, goal_input="replace", goal_motion=True, buffer_size=50_000,
                      save_every=24_000)  # fmt: skip

# Without near misses: goals lie so far apart here that a goal moved between two of them is hardly ever reached. And
# with fewer guided episodes: a puck that was pushed away is out of reach, and the rest of the episode teaches little.
SLIDE = replace(PUSH, preset="slide", env_id="FetchSlide-v4", total_steps=1_000_000, updates_per_step=0.25,
                goal_noise=0.0, guided_episodes=0.3, eval_every=25_000, log_every=5_000,
                save_every=200_000)  # fmt: skip
PICK_AND_PLACE = replace(PUSH, preset="pick-and-place", env_id="FetchPickAndPlace-v4", total_steps=80_000)

PRESETS: dict[str, Config] = {
    "push": PUSH,
    "reach": replace(PUSH, preset="reach", env_id="FetchReach-v4", total_steps=2_000, learning_starts=200,
                     updates_per_step=1.0, eval_every=400, log_every=200),
    "slide": SLIDE,
    "pick-and-place": PICK_AND_PLACE,
    # The regression of the block's position alone trains the encoder, and the networks read its estimate. So the replay
    # stores the estimates, and seven of eight updates of the networks sample transitions without encoding an image.
    "push-pixels": PUSH_PIXELS,
    # push-pixels with pick-and-place's task and number of steps: twice as many updates of actor and critics as
    # pick-and-place. The ring keeps every image, as in push-pixels. Where goals lie highest, a block leaves the close
    # images: these cameras look 15 cm higher.
    "pick-and-place-pixels": replace(PUSH_PIXELS, preset="pick-and-place-pixels", env_id=PICK_AND_PLACE.env_id,
                                     total_steps=PICK_AND_PLACE.total_steps, cameras=("high", "high-mirror"),
                                     buffer_size=85_000, save_every=40_000),
    # push-pixels in slide's task, without near misses and with guided episodes as there. A step costs more from pixels:
    # so 0.3 of slide's steps, with four times as many updates of actor and critics each, 1.2 times in all. All images
    # would take 13 GB: the ring keeps a third, 4 GB, each encoded again about every 200 passes; in a larger one the
    # estimates would be older. The puck slides out of the close images: these cameras stand farther back.
    "slide-pixels": replace(PUSH_PIXELS, preset="slide-pixels", env_id=SLIDE.env_id, total_steps=300_000,
                            goal_noise=SLIDE.goal_noise, guided_episodes=SLIDE.guided_episodes,
                            cameras=("wide", "wide-mirror"), buffer_size=100_000, eval_every=12_000, log_every=2_000,
                            save_every=100_000),
    # What the chapter shows its networks, the block's true position among it, and none of the parts that make
    # push-pixels fast: one encoder pass an update, trained by the critic. Only the inputs are the chapter's: fast
    # convolutions, flat pooling, close camera, a single image, relative goals, guided episodes and learning rate are
    # ours, and so are the random shifts (Yarats et al. 2021): two runs without them were stopped early, at 6 to 10%.
    "push-pixels-chapter": replace(PUSH_PIXELS, preset="push-pixels-chapter", obs="chapter", cameras=("close",),
                                   total_steps=80_000, buffer_size=110_000, save_every=50_000, updates_per_step=0.25,
                                   updates_per_encoding=1, routing="critic", goal_loss=0.0, goal_input="off",
                                   goal_motion=False, shift_pad=4, encoder_learning_rate=2e-4),
    # The chapter's questions at a price for a CPU: the book's view, SpatialSoftmax, pixel scale, target encoder and
    # routing on our learner (relative goals, LayerNorm critics, guided episodes, larger learning rates), with our fast
    # convolutions at half the cost of the book's, one image instead of four, a quarter of its batch.
    "chapter": replace(PUSH, preset="chapter", obs="chapter", total_steps=48_000, updates_per_step=0.25, batch_size=64,
                       encoder="fast", pooling="spatial-softmax", pixel_scale="unit", target_encoder=True,
                       encoder_learning_rate=3e-4, buffer_size=50_000, save_every=20_000),
    "reach-pixels": replace(PUSH_PIXELS, preset="reach-pixels", env_id="FetchReach-v4", obs="pixels-only",
                            total_steps=10_000, eval_every=1_000, buffer_size=15_000),
    # The chapter's own state run, with SB3's defaults where the chapter names none. Its inputs are not normalised:
    # bfloat16 would round them coarsely, so it computes in plain float32.
    "book-state": replace(PUSH, preset="book-state", total_steps=2_000_000, learning_rate=3e-4, learning_rate_decay=0.0,
                          updates_per_step=0.125, tau=0.005, alpha=0.05, layer_norm=False, normalize=False,
                          relative_goals=False, goal_tries=1, goal_noise=0.0, random_actions=0.0, guided_episodes=0.0,
                          clip_targets=False, accelerate="off", eval_every=40_000, log_every=10_000,
                          save_every=500_000),
    # The chapter's winning run from pixels.
    "book-pixels": replace(PUSH, preset="book-pixels", obs="chapter", total_steps=4_200_000, num_envs=4,
                           learning_rate=1e-4, learning_rate_decay=0.0, updates_per_step=0.25, tau=0.005, alpha=0.05,
                           layer_norm=False, normalize=False, relative_goals=False, goal_tries=1, goal_noise=0.0,
                           her_ratio=8 / 9, random_actions=0.0, guided_episodes=0.0, clip_targets=False,
                           accelerate="off", buffer_size=500_000,
                           cameras=("default",), render_size=480, show_goal_marker=True, msaa=True, frame_stack=4,
                           encoder="manipulation", pooling="spatial-softmax", feature_norm=True, pixel_scale="unit",
                           target_encoder=True, eval_every=40_000, log_every=10_000, save_every=500_000),
}  # fmt: skip

ABOUT = {
    "push": "Push from state, 42K steps (the default)",
    "reach": "Reach from state, 2K steps",
    "slide": "Slide from state, 1M steps",
    "pick-and-place": "PickAndPlace from state, 80K steps",
    "push-pixels": "Push from pixels, without the block's position among the inputs, 48K steps",
    "pick-and-place-pixels": "PickAndPlace from pixels, without the block's position among the inputs, 80K steps",
    "slide-pixels": "Slide from pixels, without the puck's position among the inputs, 300K steps",
    "push-pixels-chapter": "the chapter's observations, our recipe, the critic trains the encoder, 80K steps",
    "chapter": "the chapter's eyes on our learner, for the chapter's questions, 48K steps",
    "reach-pixels": "Reach from pixels and the goal alone, 10K steps",
    "book-state": "the chapter's own settings from state, 2M steps",
    "book-pixels": "the chapter's own settings from pixels, 4.2M steps",
}
