"""Experiments in environments that others wrote.

`panda-*` and `parking` need `pip install panda-gym highway-env` (group third-parties). `arm` and `arm-pixels` need the
environment of docs/extending.md, saved as arm.py in a folder on the PYTHONPATH.
"""

from __future__ import annotations

from experiments.experiment import Experiment

THIRD_PARTIES: dict[str, Experiment] = {
    "arm": Experiment("reach", "--env-id arm:Arm-v0 --total-steps 4000", "An arm of two joints, made up for the docs."),
    "arm-pixels": Experiment(
        "reach-pixels",
        "--env-id arm:Arm-v0 --obs pixels+goal --cameras above --hide target",
        "The same from images and the goal alone.",
    ),
    # From above, with the whole maze in the image. An evaluation is 50 episodes of 300 steps.
    "pointmaze-pixels": Experiment(
        "reach-pixels",
        "--env-id PointMaze_UMaze-v3 --obs pixels+goal --cameras 6.2,90,-90,0,0,0 --hide target --gamma 0.98 "
        "--total-steps 40000 --buffer-size 45000 --eval-every 10000",
        "A ball that is to roll round a wall, from images and the goal alone.",
    ),
    "panda-reach": Experiment(
        "reach",
        "--env-id panda_gym:PandaReach-v3 --total-steps 3000",
        "Reach of panda-gym, whose episodes end on success. It is to reach 95%.",
    ),
    "panda-push": Experiment(
        "push",
        "--env-id panda_gym:PandaPush-v3 --total-steps 150000 --eval-every 10000",
        "Push of panda-gym, without guided episodes, which are made for the Fetch tasks. It is to reach 90%.",
    ),
    # A dense reward, which falls with the root of the distance, and goals with a heading: numbers between those of two
    # headings are no heading, so goals are not moved. Episodes of 500 steps would be failures for the most part.
    "parking": Experiment(
        "push",
        "--env-id highway_env:parking-v0 --max-episode-steps 100 --goal-noise 0 --alpha auto --total-steps 60000",
        "A car that is to be parked (highway-env), with walls to crash into: ends on success and on failure.",
    ),
    # 700 steps, and some 200 of them until the goal: 0.95^200 would leave nothing of a reward of 1.
    "ant-maze": Experiment(
        "push",
        "--env-id AntMaze_UMaze-v5 --gamma 0.99 --total-steps 1000000 --eval-every 50000 --log-every 5000 "
        "--save-every 200000 --final-episodes 50",
        "A walking ant on its way round a wall (gymnasium-robotics): what comes out is to be reported.",
    ),
}
