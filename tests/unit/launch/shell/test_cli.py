"""Bad flags and fields, as a user sees them: one line that names what is wrong, and a non-zero exit."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["launch.train", "--config=configs/motion.py:tiny", "--workdir=w", "--config.modle.width=3"], "modle"),
        (["launch.train", "--config=configs/motion.py:tiny", "--workdir=w", "--config.steps=many"], "steps"),
        (["launch.train", "--config=configs/motion.py:huge", "--workdir=w"], "unknown variant 'huge'"),
        (["launch.train", "--config=configs/motion.py:tiny", "--workdir=w"], "config.tokenizer_from is empty"),
        (["launch.evaluate", "--checkpoint=nowhere", "--data=nothing"], "nowhere"),
        (["launch.prepare_poses", "--data_dir=d", "--poses=nowhere.npz"], "nowhere.npz: no such file"),
        (["launch.estimate_poses", "--video=v.mp4", "--out=poses.json"], "--out=poses.json: the file's name must end"),
        (["launch.generate", "--image=a.png", "--music=b.wav", "--checkpoint=nowhere", "--out=d.mp4"], "nowhere"),
    ],
)
def test_one_clear_line(arguments, said):
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, cwd=root,
    )
    assert done.returncode != 0
    assert said in done.stderr and "Traceback" not in done.stderr, done.stderr
