"""Bad flags and fields, as a user sees them: one line that names what is wrong, and a non-zero exit."""

import subprocess
import sys

import pytest

from tests import command_line

SWEEP = ("launch.sweep", "--sweep=configs/sweeps/seeds.py", "--out=nowhere")
TRAIN = ("launch.train", "--config=configs/tokenizer.py:tiny", "--workdir=w")
GENERATE = ("launch.generate", "--image=a.png", "--music=b.wav", "--runs=nowhere", "--out=d.mp4")
CHOREOGRAPH = ("launch.choreograph", "--run=nowhere", "--music=a.wav", "--out=o")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*TRAIN, "--config.modle.width=3"), "config.modle.width: unknown config field: config has no 'modle'; did"),
        ((*TRAIN, "--config.data.dirr=x"), "config field: config.data has no 'dirr'; did you mean 'dir'?"),
        ((*TRAIN, "--config.mesh.zzz=x"), "field: config.mesh has no 'zzz'; it has data, dcn_data, fsdp, tensor"),
        ((*TRAIN, "--config.steps.x=3"), "config field: config.steps has no fields, it is 500"),
        ((*TRAIN, "--config.steps=1e4 ("), "--config.steps=1e4 (: expected a whole number, got '1e4 (' ("),
        ((*TRAIN, "--config.ema_decay=high"), "--config.ema_decay=high: expected a number, got 'high' ("),
        ((*TRAIN, "--config.model=3"), "--config.model=3: Failed to parse '3' as a ConfigDict"),
        ((*TRAIN, "--config.steps"), "Missing value for flag --config.steps"),
        (("launch.train", "--config=configs/motion.py:huge", "--workdir=w"),
         "--config=configs/motion.py:huge: not a config: motion config: unknown variant 'huge'; choose one of ("),
        (("launch.train", "--config=nowhere.py:tiny", "--workdir=w"), "--config=nowhere.py:tiny: not a config: no"),
        (("launch.train", "--config=configs", "--workdir=w"), "--config=configs: not a config: [Errno 21] Is"),
        (("launch.train", "--config=README.md", "--workdir=w"), "--config=README.md: not a config: "),
        (("launch.train", "--config=configs/sharding.py", "--workdir=w"), "has no attribute 'get_config'"),
        (("launch.train", "--config.steps=3", *TRAIN[1:]), "Found --config.steps=3 in argv before a value"),
        (("launch.train", "--workdir=w"), "error: --config is missing ("),
        (TRAIN[:-1], "error: --workdir is missing ("),
        ((*TRAIN[:-1], "--workdir="), "error: --workdir= is empty: give it a value, or leave it out ("),
        ((*TRAIN, "--workdir=v"), "error: --workdir is given 2 times, and takes one value ("),
        ((*TRAIN, "--allow_change="), "--allow_change= is empty"),
        ((*TRAIN, "stray"), "stray: no flag before it; write --name=value ("),
        ((*TRAIN, "--nosuch=1"), "Unknown command line flag 'nosuch' (--help lists the flags)"),
        (TRAIN, "config.data.dir is empty"),
        ((*TRAIN[:-1], "--workdir=a[1]"), "a[1]: the path "),
        ((*TRAIN, "--config.data.dir=a*b"), "a*b: the path "),
        (("launch.prepare", "--config=configs/data.py", "--data=a?"), "a?: the path "),
        (("launch.prepare", "--config=configs/data.py:poses", "--data=a\\b"), "a\\b: the path "),
        (("launch.evaluate", "--run=~nobodyhere/run", "--data=nothing"), "no user 'nobodyhere' has a home directory"),
        (("launch.evaluate", "--run", "~/nowhere", "--data=nothing"), "HOME/nowhere: no such directory"),
        (("launch.evaluate", "--run=~/nowhere", "--data=nothing"), "HOME/nowhere: no such directory"),
        (("launch.train", "--config=configs/motion.py:tiny", "--workdir=w", "--config.data.dir=d",
          "--config.parts.tokenizer.source=run:~/nowhere"), "HOME/nowhere: no such directory"),
        ((*TRAIN, "--config.seed=-1"), "config.seed=-1: must be in [0, 4294967295]"),
        (("launch.evaluate", "--run=nowhere", "--data=nothing"), "nowhere: no such directory"),
        (("launch.evaluate", "--run=w\udcff", "--data=nothing"), r"'--run=w\udcff': not UTF-8; rename the file"),
        (("launch.prepare", "--config=configs/data.py", "--data=d", "--config.train_clips=0"),
         "config.train_clips=0: must be at least 1"),
        (("launch.prepare", "--config=configs/data.py:poses", "--data=d", "--config.poses.files=nowhere.npz"),
         "nowhere.npz: no such file"),
        (("launch.prepare", "--config=configs/data.py:poses", "--data=d"), "config.poses.files is empty"),
        (("launch.prepare", "--config=configs/data.py:videos", "--data=d"), "config.videos is empty"),
        (("launch.prepare", "--config=configs/data.py:films", "--data=d"), "unknown variant 'films'"),
        (("launch.prepare", "--data=d"), "--config is missing"),
        ((*SWEEP, "--cluster=configs/cluster.py:slurm", "--cluster.topologie=4"), "unknown cluster field: cluster has"),
        ((*SWEEP, "--cluster=configs/cluster.py:slrm"), "unknown variant 'slrm'; choose one of"),
        ((*SWEEP, "--cluster=configs/clustr.py:slurm"), "--cluster=configs/clustr.py:slurm: not a config: no such"),
        ((*SWEEP, "--cluster.nodes=3"), "--cluster.nodes: give --cluster too, configs/cluster.py:VARIANT"),
        ((*SWEEP, "--config", "configs/tokenizr.py:tiny"), "--config=configs/tokenizr.py:tiny: not a config: no such"),
        (("launch.estimate_poses", "--video=v.mp4", "--out=poses.json"), "--out=poses.json: the file's name must end"),
        (("launch.estimate_poses", "--video=v.mp4", "--out=p.npz", "--overlay=a.avi"), "--overlay=a.avi: the file"),
        (("launch.train_demo", "--setting=big"), "--setting=big: value should be one of"),
        (("launch.train_demo", "--out=README.md/x"), "--out=README.md/x: cannot make this folder"),
        (("launch.demo", "--setting=big"), "--setting=big: value should be one of"),
        (("launch.demo", "--out=README.md/x"), "--out=README.md/x: cannot make this folder"),
        (GENERATE, "nowhere/motion: no such directory"),
        ((*GENERATE[:-1], "--out=d.avi"), "--out=d.avi: the file's name must end in .mp4"),
        ((*GENERATE, "--seconds=nan"), "--seconds=nan: must be a number of seconds"),
        ((*GENERATE, "--seed=0", "--seed=1"), "--seed is given 2 times, and takes one value"),
        ((*CHOREOGRAPH, "--image=a.png"), "nowhere: no such directory"),
        ((*CHOREOGRAPH, "--image=a.png", "--seed=0,1"), "--seed=0,1: expected a whole number, got '0,1'"),
        ((*CHOREOGRAPH, "--image=a.png", "--size=3"), "--size=3: give HEIGHTxWIDTH"),
        ((*CHOREOGRAPH, "--image=a.png", "--top_k=1.5"), "--top_k=1.5: expected a whole number, got '1.5'"),
        (CHOREOGRAPH, "give exactly one of the flags image, continue_from"),
        ((*CHOREOGRAPH, "--image=a.png", "--continue_from=b"), "give exactly one of the flags image, continue_from"),
    ],
)
def test_one_clear_line(arguments, said, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "HOME")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))  # else matplotlib makes a folder HOME here
    done = command_line.run(*arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr


@pytest.mark.process
@pytest.mark.parametrize(("arguments", "status", "said"), [
    ((*TRAIN, "--config.modle.width=3"), 1, "error: --config.modle.width: unknown config field: config has no 'modle'"),
    (("launch.evaluate", "--run=nowhere", "--data=nothing"), 1, "error: nowhere: no such directory"),
    (("launch.prepare", "--help"), 0, ""),
])
def test_a_process_exits_with_the_status(arguments, status, said):
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, cwd=command_line.ROOT,
    )
    assert done.returncode == status and done.stderr.startswith(said), done.stderr
    assert done.stderr.count("\n") == status


def test_verbosity_1_keeps_the_traceback():
    with pytest.raises(ValueError, match="nowhere: no such directory"):
        command_line.run("launch.evaluate", "--run=nowhere", "--data=nothing", "--verbosity=1")


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpshort"])
def test_help_shows_docstring_and_flags_and_succeeds(flag):
    done = command_line.run("launch.choreograph", flag)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("Songs become dances") and "--continue_from:" in done.stdout
    assert "--temperature:" in done.stdout  # of launch/making/sampling_flags.py


def test_help_of_train_lists_the_fields_of_the_config_that_is_given():
    done = command_line.run("launch.train", "--config=configs/motion.py:tiny", "--config.seed=7", "--help")
    assert done.returncode == 0
    assert "\n  --config.seed=7  (int, in [0, 4294967295])  the one seed: initial weights" in done.stdout
    assert "\n  --config.model.width=64  (int, at least 1)  GPT-2 medium\n" in done.stdout
    without = command_line.run("launch.train", "--help")
    assert without.returncode == 0 and "--config configs/STAGE.py:VARIANT" in without.stdout.splitlines()[-1]
    wrong = command_line.run("launch.train", "--config=configs/motion.py:huge", "--help")
    assert wrong.returncode == 1 and "unknown variant 'huge'" in wrong.stderr
