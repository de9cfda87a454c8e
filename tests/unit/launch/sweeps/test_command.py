"""launch.sweep as it is typed, over real runs of a small tokenizer."""

import json

import pytest

from launch.sweeps import plans, state
from tests import command_line
from xdancer_jax.train import flock, metrics

SMALL = [
    f"--config.{field}" for field in (
        "model.codebook_size=16", "model.encoder_width=8", "model.decoder_width=8", "steps=2", "batch_size=4",
        "log_every=1", "eval_every=0", "samples=0", "optimizer.schedule=constant",
    )
]


def sweep(*arguments):
    return command_line.run("launch.sweep", *arguments)


@pytest.fixture
def started(data, tmp_path):
    """started(file text): the command that starts such a sweep."""

    def command(text):
        (tmp_path / "mine.py").write_text(text)
        return [
            "--config=configs/tokenizer.py:tiny", f"--sweep={tmp_path}/mine.py", f"--out={tmp_path}/out", "--clips=1",
            f"--config.data.dir={data}", *SMALL, "--tries=1",
        ]

    return command


@pytest.mark.process
def test_a_sweep_from_its_file_to_its_table(started, tmp_path):
    text = "def sweep():\n    return [{'seed': 0}, {'seed': 1}, {'data.train_split': SPLIT}]\n"
    done = sweep(*started(text.replace("SPLIT", "'nope'")))
    out = tmp_path / "out"
    assert done.returncode == 1
    assert "2 of 3 runs are finished" in done.stdout
    assert "error: 1 runs failed: tokenizer_tiny-train_split=nope-" in done.stderr and "no split 'nope'" in done.stderr
    assert "the same command tries them again" in done.stderr
    trials = plans.read(str(out))
    times = [(out / trial.id / "checkpoints" / "2").stat().st_mtime for trial in trials[:2]]
    for trial in trials[:2]:
        assert [row["step"] for row in metrics.read(out / trial.id) if "loss" in row] == [1, 2]
        recorded = json.loads((out / trial.id / "config.json").read_text())["config"]
        assert recorded["seed"] == trial.seed and recorded["model"]["codebook_size"] == 16
    status = sweep(f"--out={out}", "--status")
    assert status.stdout.count("finished") == 3 and "1 failed of 3 runs" in status.stdout
    assert "pose_l1_half_height/full_body 0." in status.stdout

    mended = sweep(*started(text.replace("SPLIT", "'train'").replace("}]", ", 'seed': 2}]")))
    assert mended.returncode == 0 and "3 of 3 runs are finished (2 of them before)" in mended.stdout
    assert [(out / trial.id / "checkpoints" / "2").stat().st_mtime for trial in trials[:2]] == times

    best = sweep(f"--out={out}", "--best=pose_l1_half_height/full_body", "--export")
    assert "pose_l1_half_height/full_body 0." in best.stdout
    lines = (out / "table.csv").read_text().splitlines()
    row = next(line for line in lines if line.startswith("tokenizer,tokenizer_tiny,pose_l1") and ",full_body," in line)
    assert ",2,0." in row, "two seeds behind it"
    assert r"\pm" in (out / "table.tex").read_text()


@pytest.mark.parametrize("arguments, told", [
    (["--sweep=configs/sweeps/seeds.py", "--out=OUT"], "error: --config is missing"),
    (["--config=configs/tokenizer.py:tiny", "--out=OUT"], "error: --sweep is missing"),
    (["--config=configs/tokenizer.py:tiny", "--sweep=configs/sweeps/seeds.py"], "error: --out is missing"),
    (["--config=configs/tokenizer.py:tiny", "--sweep=configs/sweeps/seeds.py:six", "--out=OUT"], "has no sweep_six()"),
    (["--config=configs/tokenizer.py:tiny", "--sweep=configs/sweeps/seeds.py", "--out=OUT", "--config.nope=1"], "nope"),
    (["--config=configs/tokenizer.py:tiny", "--sweep=configs/sweeps/seeds.py", "--out=OUT"], "data.dir is empty"),
    (["--out=OUT", "--status"], "no sweep there (sweep.json is missing)"),
    (["--out=OUT", "--best=a/b"], "no sweep there"),
])
def test_bad_input_is_one_line(arguments, told, tmp_path):
    done = sweep(*(each.replace("OUT", str(tmp_path / "out")) for each in arguments))
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1


def test_one_sweep_at_a_time_has_a_folder(started, tmp_path):
    with flock.alone(tmp_path / "out" / state.LOCK, ""):
        done = sweep(*started("def sweep():\n    return [{}]\n"))
    assert done.returncode == 1 and "runs this sweep; wait until it has ended" in done.stderr


def test_a_plan_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / plans.NAME).write_text('{"trials": [{"id": 1}]}')
    with pytest.raises(ValueError, match="sweep.json: not of this version"):
        plans.read(str(tmp_path))
