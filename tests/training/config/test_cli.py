"""The command line as it is asked for: what it offers, and what it refuses before anything is written."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

import train
from tests.training.runs import flat, run, tiny, tiny_config, tree
from training import run_folder
from training.config import cli
from training.config import flags as config
from training.config.presets import PRESETS
from training.config.saved import from_json

# The least that goals as images need of push-pixels.
_CRITIC = ["push-pixels", "--routing", "critic", "--goal-loss", "0", "--goal-input", "off", "--no-goal-motion"]
LATENT = [*_CRITIC, "--goals", "latent", "--goal-noise", "0", "--goal-tries", "1"]
SPATIAL = [*_CRITIC, "--goals", "latent", "--latent-model", "spatial", "--prior-ratio", "0"]

REFUSED = {
    "unknown preset": ("psuh", "there is no preset psuh: did you mean push?"),
    "preset in the wrong place": ("--seed 1 push", "push"),
    "unknown flag": ("--learning-rat 0.1", "--learning-rat"),
    "an old name": ("push-pixels --head flat", "--head is called --pooling now."),
    "an old name, written otherwise": ("--head_updates=2", "--head-updates is called --updates-per-encoding now."),
    "an old value": ("push-pixels --goal-input beside", "--goal-input beside is called concat now."),
    "an old value, written otherwise": ("push-pixels --goal-input=instead", "--goal-input instead is called replace"),
    "a configuration that is no object": ("--resume list", "list is not the folder of a run (not a saved"),
    "no number": ("--total-steps many", "many"),
    "no choice": ("--her-strategy past", "past"),
    "unknown environment": ("--env-id FetchPsuh-v4", "There is no environment 'FetchPsuh-v4': did you mean FetchPush"),
    "not a goal environment": ("--env-id CartPole-v1", "'CartPole-v1' is not a goal environment"),
    "an old environment": ("--env-id tests.envs.odd:OldStep-v0", "'tests.envs.odd:OldStep-v0' has an old-style step"),
    "NaN": ("--gamma nan", "--gamma is nan: it must be a number at least 0 and at most 0.99999."),
    "infinite": ("--learning-rate inf", "--learning-rate is inf: it must be a number above 0 and at most 1."),
    "gamma of 1": ("--gamma 1", "--gamma is 1.0"),
    "negative": ("--tau -0.1", "--tau is -0.1: it must be a number above 0 and at most 1."),
    "negative temperature": ("--alpha -1", "--alpha is -1.0: it must be a number above 0"),
    "zero steps": ("--total-steps 0", "--total-steps is 0: it must be a number at least 1"),
    "zero environments": ("--num-envs 0", "--num-envs is 0"),
    "zero updates": ("--updates-per-step 0", "--updates-per-step is 0.0: it must be a number above 0"),
    "zero updates, tried": ("--updates-per-step 0 --smoke", "--updates-per-step is 0.0"),
    "a trial of a run": ("--resume run --smoke", "--smoke begins a run of its own: leave out --resume."),
    "negative seed": ("--seed -1", "--seed is -1"),
    "more than a share": ("--her-ratio 1.5", "--her-ratio is 1.5: it must be a number at least 0 and at most 1."),
    "absurdly many environments": ("--num-envs 1000000", "--num-envs is 1000000"),
    "absurdly many episodes": ("--eval-episodes 10000000000", "--eval-episodes is 10000000000"),
    "absurdly wide": ("--hidden-width 65536 --hidden-depth 64", "lower --batch-size, --hidden-width"),
    "absurd batch": ("--batch-size 5000000 --buffer-size 5000000 --total-steps 5000000", "lower --batch-size"),
    "more workers than environments": ("--workers 9", "--workers is 9: it must be a number at least 0 and at most 8."),
    "batch larger than the run": ("--batch-size 6001 --total-steps 6000", "--batch-size 6001 is more than the 6000"),
    "batch larger than the buffer": ("--batch-size 600 --buffer-size 500", "--batch-size 600 is more than the 500"),
    "nothing left to learn": ("--learning-starts 6000 --total-steps 6000", "--total-steps 6000 leaves nothing"),
    "too many environments to learn": ("--num-envs 1500 --total-steps 1200", "comes after 1500 steps, the larger of"),
    "replay larger than memory": ("reach --buffer-size 1000000000000 --workers 0", "the replay of 1000000000000"),
    "images larger than the disk": (
        "push-pixels --replay-on-disk --buffer-size 100000000 --workers 0", "--replay-on-disk needs 3943.6 GiB in runs"
    ),
    "no GPU": ("--device cuda:99", "--device cuda:99 is not there: use cpu, or auto."),
    "no device": ("--device gpu", "--device gpu is not there"),
    "a device without numbers": ("--device meta", "--device meta is not there"),
    "folder that is not empty": ("--run-dir other", "other is not empty: remove it, or name"),
    "folder of a live run": ("--run-dir alive", "alive belongs to a run that is alive"),
    "folder that is a file": ("--run-dir file", "file is a file: name another --run-dir."),
    "folder below a file": ("--run-dir file/run", "file/run cannot be written: name another --run-dir"),
    "folder that cannot be": ("reach --run-dir /proc/run --workers 0", "/proc/run cannot be written"),
    "folder with too long a name": (f"--run-dir {'x' * 300}", "File name too long): name another --run-dir."),
    "resume nothing": ("--resume missing", "missing is not the folder of a run"),
    "resume what is no run": ("--resume other", "other is not the folder of a run"),
    "resume what is no configuration": ("--resume foreign", "foreign is not the folder of a run (not a saved"),
    "resume a live run": ("--resume alive", "alive belongs to a run that is alive"),
    "resume with another gamma": ("--resume run --gamma 0.9", "leave out --gamma, or start a new run."),
    "resume with another preset": ("slide --resume run", "leave out the preset slide, or start a new run."),
    "resume into another folder": ("--resume run --run-dir new", "leave out --run-dir, or start a new run."),
    "resume without a checkpoint": ("--resume run", "run/resume/state.pt does not exist"),
}  # fmt: skip


@pytest.fixture
def folders(own_folder: Path) -> Path:
    """Folders as they may lie about: of a run, of a live one, and others'."""
    for name in ("run", "alive", "other", "foreign", "list"):
        Path(name).mkdir()
    Path("file").touch()
    Path("other", "letter.txt").write_text("dear")
    Path("foreign", run_folder.CONFIG).write_text('{"model": "resnet"}')
    Path("list", run_folder.CONFIG).write_text("[]")
    for name in ("run", "alive"):
        Path(name, run_folder.CONFIG).write_text(tiny_config().to_json())
        Path(name, run_folder.LOCK).touch()
    return own_folder


@pytest.mark.parametrize(("line", "complaint"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_in_a_sentence_and_nothing_is_written(
    line: str, complaint: str, folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(train, "learn", lambda *_: pytest.fail("it was not refused"))
    living = run_folder.Lock(Path("alive"))
    before = tree(folders)
    assert run(*line.split()) == 2
    said = capsys.readouterr()
    assert complaint in flat(said.err) and "Traceback" not in said.err
    assert said.out == "" or said.out.endswith("preparing environments and replay ...\n")  # what turned out on the way
    ours = said.err.startswith("train.py: ") and said.err.count("\n") == 1
    assert ours or (said.err.count("\n") < 20 and "For full helptext" in flat(said.err))
    assert tree(folders) == before
    del living


@pytest.mark.parametrize("env_id", ["Soon-v0", "Late-v0"])
def test_that_success_is_more_than_a_reward_is_said_once(
    env_id: str, own_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    """With the first episode that such a success ends, if the played steps have not shown it."""
    assert tiny("run", "--env-id", f"tests.envs.odd:{env_id}", "--num-envs", "2", "--total-steps", "160") == 0
    said = flat(capsys.readouterr().out)
    assert said.count(f"Success ends the episodes of tests.envs.odd:{env_id}, but needs more") == 1
    assert run("--resume", "run", "--total-steps", "320") == 0
    assert "Success ends" not in flat(capsys.readouterr().out)


def test_a_folder_is_free_again_when_its_run_has_died(folders: Path) -> None:
    del_me = run_folder.Lock(Path("alive"))
    del del_me
    run_folder.Lock(Path("alive"))


def test_new_runs_of_one_configuration_get_folders_of_their_own(own_folder: Path) -> None:
    chosen = tiny_config("--seed", "3")
    first = run_folder.free_folder(chosen)
    assert first.parent == Path("runs") and first.name.startswith("push-seed3-")
    first.mkdir(parents=True)
    assert run_folder.free_folder(chosen) == Path(f"{first}-2")
    assert run_folder.free_folder(tiny_config("--seed", "3", "--gamma", "0.9")).name[:-6] == first.name[:-6]


def test_the_lines_of_help_flow(capsys: pytest.CaptureFixture) -> None:
    """A docstring of three lines: no line of the help is shorter than the next word would have allowed."""
    with pytest.raises(SystemExit):
        train.main(["--help"])
    lines = [line.strip("│| ") for line in capsys.readouterr().out.splitlines()]
    first = next(number for number, line in enumerate(lines) if "Network inputs beside the desired goal" in line)
    last = next(number for number, line in enumerate(lines[first:], first) if line.endswith("(default: state)"))
    width = max(map(len, lines[first : last + 1]))
    for line, following in itertools.pairwise(lines[first : last + 1]):
        assert len(line) + 1 + len(following.split()[0]) > width - 1, line


@pytest.mark.parametrize("preset", [None, *PRESETS])
def test_help_lists_every_flag_with_its_value(preset: str | None, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as leaving:
        train.main([*([preset] if preset else []), "--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    groups = (config.Task, config.Learning, config.Pixels, config.Replay, config.Latent, config.Compute, config.Run)
    assert all(f"{group.__name__.lower()} options" in text for group in groups)
    chosen = PRESETS[preset or "push"]
    for field in (field for group in groups for field in dataclasses.fields(group)):
        value, flag = getattr(chosen, field.name), f"--{field.name.replace('_', '-')}"
        shown = " ".join(value) if isinstance(value, tuple) else value
        entry = min(flat(text).find(f" {flag}{end}") % len(text) for end in " ,")
        assert f"(default: {shown})" in flat(text)[entry:][:400], flag
    assert f"Defaults shown are those of {preset or 'push'}." in flat(text)


def test_flags_replace_the_presets_values_and_nothing_else() -> None:
    parsed = cli.parse(["reach", "--gamma", "0.9", "--alpha", "auto", "--no-layer-norm", "--workers", "2"])
    expected = dataclasses.replace(PRESETS["reach"], gamma=0.9, alpha="auto", layer_norm=False, workers=2)
    assert parsed == expected != PRESETS["reach"]
    assert cli.parse([]) == PRESETS["push"]
    assert from_json(parsed.to_json()) == parsed


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["push-pixels", "--obs", "honest-blind"], "has no images, without which --cameras, --pooling, --routing"),
        (["push", "--frame-stack", "4"], "--obs state has no images, without which --frame-stack means nothing"),
        (["push", "--obs", "blind", "--msaa"], "--obs blind has no images, without which --msaa means nothing"),
        (["push", "--proprioception", "none"], "--obs state has no images, without which --proprioception means noth"),
        (["push-pixels", "--obs", "pixels-only", "--proprioception", "minimal"], "--obs pixels-only has none to leave"),
        (["push-pixels", "--no-proprio"], "--no-proprio is called --proprioception none now"),
        (["push-pixels", "--critic-obs", "state"], "leaves the encoder to the actor's loss: say --routing actor"),
        (["chapter", "--routing", "actor", "--critic-obs", "state"], "leave out --target-encoder"),
        (["push-pixels", "--shared-shift"], "give --shift-pad, by how much"),
        (["push-pixels", "--softmax-temperature", "0.1"], "is of --pooling spatial-softmax, not of flat"),
        (["push-pixels", "--routing", "critic"], "say --routing goal too, or take concat"),
        (["push-pixels", "--routing", "separate", "--goal-input", "off"], "--routing separate has two"),
        (["push-pixels", "--goal-loss", "0"], "--goal-input needs an estimate to show"),
        (["push-pixels", "--target-encoder"], "say --no-goal-motion"),
        (["push-pixels", "--cameras", "close", "behind"], "no camera 'behind'"),
        (["push-pixels", "--cameras", "close,mirror"], "names stand apart: --cameras close mirror"),
        (["push-pixels", "--env-id", "FetchReach-v4"], "in Reach that is the gripper's position"),
        (["push", "--obs", "honest-blind", "--proprioception", "none"], "nothing but the goal"),
        (["push", "--frame-stack", "4"], "begin with a preset from state, such as push"),
        (["push-pixels", "--obs", "pixels+vector+goal"], "--proprio-indices names the numbers of --obs pixels+vector"),
        (["push-pixels", "--proprio-indices", "0:3"], "give both, or neither"),
        (["push-pixels", "--obs", "pixels+vector+goal", "--proprio-indices", "3-5"], "as in 0:3,9:11"),
        (
            ["push-pixels", "--obs", "pixels+vector+goal", "--proprio-indices", "0:3", "--proprioception", "minimal"],
            "leave out --proprioception minimal",
        ),
        (["push-pixels", "--obs", "pixels+vector+goal", "--proprio-indices", "25"], "25 numbers, from 0 on, and"),
        (["push-pixels", "--env-id", "PointMaze_UMaze-v3"], "from pixels say --obs pixels+goal, or pixels+vector+goal"),
        (
            ["push-pixels", "--env-id", "PointMaze_UMaze-v3", "--obs", "pixels+goal"],
            "no camera 'close': choose among def",
        ),
        (["push-pixels", "--hide", "block"], "no site, geom or body 'block' to hide; the sites are"),
        (
            ["push-pixels", "--encoder", "pretrained", "--weights", "random", "--auxiliary", "curl"],
            "leave it out with --encoder pretrained",
        ),
        (["push", "--resume-without-replay"], "name the run with --resume"),
        (["push-pixels", "--goal-sampling", "skewed"], "--goal-sampling belongs to --goals latent: say that too"),
        (["push", "--goals", "latent"], "hides where the object is, which --obs state shows: say --obs honest"),
        (["push-pixels", "--goals", "latent"], "say --goal-loss 0 with --goals latent"),
        ([*LATENT, "--goal-noise", "1"], "cannot move a goal without its arm: say --goal-noise 0"),
        ([*LATENT, "--latent-every", "100"], "--latent-every belongs to --goal-sampling skewed: say that too"),
        ([*LATENT, "--latent-threshold", "2"], "--latent-threshold belongs to --latent-reward sparse: say that too"),
        ([*LATENT, "--goal-tries", "8"], "the arm moves latents too: say --goal-tries 1"),
        ([*LATENT, "--her-strategy", "none"], "--her-strategy none lends no goals"),
        ([*LATENT, "--obs", "chapter"], "hides where the object is, which --obs chapter shows: say --obs honest"),
        ([*LATENT, "--routing", "actor", "--critic-obs", "state"], "leave out --critic-obs state"),
        ([*LATENT, "--show-goal-marker"], "encodes images, and --show-goal-marker shows a goal"),
        ([*LATENT, "--prior-ratio", "0.9"], "--prior-ratio 0.9 is part of --her-ratio, which is 0.8: lower the first"),
        ([*LATENT, "--env-id", "FetchReach-v4"], "take a Fetch task with an object"),
        (["push-pixels", "--latent-model", "spatial"], "--latent-model belongs to --goals latent: say that too"),
        ([*LATENT, "--latent-model", "spatial"], "no prior to imagine goals: say --prior-ratio 0, and not skewed"),
        ([*SPATIAL, "--goal-sampling", "skewed"], "no prior to imagine goals: say --prior-ratio 0, and not skewed"),
        ([*SPATIAL, "--latent-conditional"], "--latent-model spatial has no --latent-conditional: leave it out"),
        ([*SPATIAL, "--latent-size", "4"], "--latent-model spatial has no --latent-size: leave it out"),
        ([*SPATIAL, "--latent-updates", "500"], "takes all --latent-updates: leave some in which to seek the object"),
        ([*SPATIAL, "--goal-tries", "1", "--latent-threshold", "2"], "--latent-threshold belongs to --latent-reward"),
        ([*LATENT, "--stop-rule"], "differ by 1, not on those of latent goals: leave it out"),
        ([*LATENT, "--stop-rule", "--latent-reward", "sparse"], "differ by 1, not on those of latent goals: leave"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags: list[str], said: str, capsys: pytest.CaptureFixture) -> None:
    assert run(*flags) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()
