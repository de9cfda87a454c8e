"""The short form of benchmarks.fault_drill: a run that is killed three times is the run that nobody disturbed."""

import json

import numpy as np
import pytest

from benchmarks.measures import killing
from xdancer_jax.train import checkpoint


@pytest.mark.process
@pytest.mark.slow
def test_killed_three_times_two_processes_train_as_if_nothing_had_been(data, tmp_path, monkeypatch, trained):
    small = ("model.codebook_size=16", "model.encoder_width=8", "model.decoder_width=8", "batch_size=4", "samples=0")
    plan = killing.Plan("tokenizer:tiny", 5, 10, tuple(f"--config.{field}" for field in small))
    monkeypatch.setitem(killing.PLANS, "tokenizer", plan)
    found = killing.drill("tokenizer", data, tmp_path / "out", kills=3, count=2, seed=1)
    assert found.good and len(found.kills) == 3 and found.survivors_ended_in, found
    assert all(seconds < 100 for seconds in found.survivors_ended_in)


def test_what_is_missing_twice_or_of_other_batches_is_counted(trained, tmp_path):
    lines = (trained / "metrics.jsonl").read_text().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    steps = [number for number, row in enumerate(rows) if "loss" in row]
    assert killing.compare(trained, trained, 2) == (0, 0, 0, 0)
    other = tmp_path / "other"
    (other / "checkpoints").mkdir(parents=True)
    (other / "checkpoints" / "2").symlink_to(trained / "checkpoints" / "2")
    first = lines[steps[0]]
    (other / "metrics.jsonl").write_text(first + first)
    assert killing.compare(trained, other, 2)[:3] == (1, 1, 0)
    moved = json.dumps(rows[steps[0]] | {"loss": np.nextafter(rows[steps[0]]["loss"], 0)}) + "\n"
    (other / "metrics.jsonl").write_text(moved + lines[steps[1]])
    assert killing.compare(trained, other, 2)[:3] == (0, 0, 1)


def test_leaves_that_differ_by_a_bit_are_counted(trained, monkeypatch):
    known = checkpoint.leaves(trained, 2)
    path = next(path for path in known if path.startswith("opt_state/"))
    turns = iter([known, known | {path: np.nextafter(known[path].astype(np.float32), 9).astype(known[path].dtype) + 1}])
    monkeypatch.setattr(checkpoint, "leaves", lambda workdir, step: next(turns))
    assert killing.compare(trained, trained, 2) == (0, 0, 0, 1)
