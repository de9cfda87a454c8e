import dataclasses
import itertools
import json
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests import toy_stage
from xdancer_jax.train import checkpoint, digest, disk, hooks, loop

ONE = {"data": 1, "fsdp": 1, "tensor": 1}


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def without_speed(rows):
    return [{key: value for key, value in row.items() if key != "examples_per_second"} for row in rows]


def test_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path):
    whole, summary = toy_stage.run(tmp_path / "whole", 6)
    toy_stage.run(tmp_path / "halves", 3)
    halves, _ = toy_stage.run(tmp_path / "halves", 6)
    toy_stage.assert_same(whole, halves)
    assert without_speed(lines(tmp_path / "whole")) == without_speed(lines(tmp_path / "halves"))
    assert int(whole.step) == summary.step == 6 and summary.compile_seconds > 0


def test_finished_run_does_nothing_more(tmp_path):
    first, _ = toy_stage.run(tmp_path, 3)
    again, summary = toy_stage.run(tmp_path, 3)
    toy_stage.assert_same(first, again)
    assert (summary.start_step, summary.step, summary.metrics) == (3, 3, {})


def test_the_loss_falls_and_the_codebook_moves(tmp_path):
    state, _ = toy_stage.run(tmp_path, 30, checkpoint_every=0)
    losses = [row["loss"] for row in lines(tmp_path)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    start, _ = toy_stage.run(tmp_path / "start", 0)
    assert np.any(state.extra["student"]["codebook"] != start.extra["student"]["codebook"])


def test_nan_stops_the_run_and_leaves_the_last_good_checkpoint(tmp_path):
    def poisoned(start):
        for step, batch in enumerate(toy_stage.batches(start), start):
            yield {"x": batch["x"] * (np.nan if step == 5 else 1)}

    with pytest.raises(FloatingPointError, match="step 6: not finite.*loss nan"):
        toy_stage.run(tmp_path, 9, stage=toy_stage.make(poison=True), make_iterator=poisoned)
    assert sorted(entry.name for entry in (tmp_path / "checkpoints").iterdir()) == ["3"]
    assert lines(tmp_path)[-1]["step"] == 5
    resumed, _ = toy_stage.run(tmp_path, 6)
    straight, _ = toy_stage.run(tmp_path / "straight", 6)
    toy_stage.assert_same(resumed, straight)


@pytest.mark.parametrize("what", ["parameters", "codebook"])
def test_a_last_step_whose_update_is_not_finite_is_not_saved(tmp_path, what):
    stage = toy_stage.make()
    rate = toy_stage.optimizer()

    def loss(params, extra, batch, rng, train):
        value, (metrics, new) = stage.loss(params, extra, batch, rng, train)
        return value, (metrics, jax.tree.map(lambda leaf: leaf * jnp.nan, new) if what == "codebook" else new)

    if what == "parameters":  # a rate that is NaN: the loss and the gradient do not show it
        transform = optax.chain(rate.transform, optax.scale(float("nan")))
        rate = dataclasses.replace(rate, transform=transform)
    with pytest.raises(FloatingPointError, match="step 1: not finite.*update_norm nan"):
        toy_stage.run(tmp_path, 1, stage=dataclasses.replace(stage, loss=loss), optimizer=rate)
    assert checkpoint.newest(tmp_path) == 0


def test_weights_that_changed_in_their_files_are_damage(tmp_path, monkeypatch):
    toy_stage.run(tmp_path, 3)
    load = checkpoint._load
    monkeypatch.setattr(checkpoint, "_load", lambda directory, wanted: {
        path: leaf + 1 if path == "ema/student/encoder/bias" else leaf for path, leaf in load(directory, wanted).items()
    })
    with pytest.raises(ValueError, match="checkpoints/3: a damaged checkpoint .the weights of part student are not"):
        toy_stage.run(tmp_path, 6)


def test_training_goes_on_after_a_failed_save_and_ends_with_it_where_it_is_the_last(tmp_path, monkeypatch, caplog):
    check, tried = disk.check, []

    def full(folder, size):
        tried.append(folder)
        if len(tried) - 1 in failing:  # the first is for the frozen weights
            raise OSError(28, "No space left on device")
        check(folder, size)

    monkeypatch.setattr(disk, "check", full)
    failing = [1]
    toy_stage.run(tmp_path / "first", 6)
    assert [entry.name for entry in (tmp_path / "first" / "checkpoints").iterdir()] == ["6"]
    assert caplog.text.count("No space left on device; training goes on") == 1
    tried.clear()
    failing = [2]
    with pytest.raises(OSError, match="last/checkpoints: a checkpoint could not be written; the finished ones stay"):
        toy_stage.run(tmp_path / "last", 6)
    assert checkpoint.newest(tmp_path / "last") == 3
    toy_stage.assert_same(toy_stage.run(tmp_path / "last", 6)[0], toy_stage.run(tmp_path / "whole", 6)[0])


def test_a_refused_run_leaves_the_folder_as_it_was(tmp_path):
    def content(folder):
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    with pytest.raises(ValueError, match="is empty"):
        toy_stage.run(tmp_path / "new", 3, make_iterator=lambda start: iter(()))
    assert not (tmp_path / "new").exists()
    toy_stage.run(tmp_path / "old", 3)
    before = content(tmp_path / "old")
    with pytest.raises(ValueError, match="does not fit this run's config"):
        toy_stage.run(tmp_path / "old", 6, config={"stage": "toy", "config": {"name": "other"}}, ema_decay=0.0)
    assert content(tmp_path / "old") == before


def test_data_that_ends_early_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="the data ended before step 3 of 6"):
        toy_stage.run(tmp_path, 6, make_iterator=two_batches)


def two_batches(start):
    return itertools.islice(toy_stage.batches(start), 2)


def test_hooks_run_before_the_checkpoint_and_evaluation_is_the_same_each_time(tmp_path):
    seen = []

    def look(step, state):
        seen.append((step, sorted(entry.name for entry in (tmp_path / "checkpoints").iterdir())))
        assert int(state.step) == step
        return {"seen": 1.0}

    mesh = toy_stage.sharding.make_mesh(ONE, jax.devices()[:1])
    stage, rules = toy_stage.make(), toy_stage.tables.data
    evaluate = hooks.evaluation(stage, lambda: toy_stage.batches(100), every=2, batches=2, mesh=mesh, rules=rules)
    state, _ = toy_stage.run(
        tmp_path, 3, stage=stage, mesh=mesh, hooks=(evaluate, hooks.Hook("look", 3, look)), checkpoint_every=0
    )
    assert seen == [(3, [])]
    rows = {row["step"]: row for row in lines(tmp_path) if "eval/loss" in row}
    assert list(rows) == [2, 3]
    assert evaluate.run(3, state)["loss"] == rows[3]["eval/loss"] != rows[2]["eval/loss"]


def test_evaluation_of_too_little_data_is_an_error(tmp_path):
    mesh = toy_stage.sharding.make_mesh(ONE, jax.devices()[:1])
    stage, rules = toy_stage.make(), toy_stage.tables.data
    evaluate = hooks.evaluation(stage, lambda: two_batches(0), every=1, batches=3, mesh=mesh, rules=rules)
    state, _ = toy_stage.run(tmp_path, 0)
    with pytest.raises(ValueError, match="gave 2 of eval_batches = 3"):
        evaluate.run(0, state)


def run_loop(step_fn, monitor, steps):
    return loop._run(step_fn, "state", iter(["batch"] * steps), range(steps), monitor, (), mock.Mock(), 0)


def test_metrics_of_a_step_are_read_after_the_next_one_is_dispatched():
    calls = mock.Mock()
    calls.dispatch.return_value = ("state", {})
    calls.monitor.paused = mock.MagicMock()
    run_loop(calls.dispatch, calls.monitor, 3)
    order = [name for name, *_ in calls.mock_calls if name in ("dispatch", "monitor.read")]
    assert order == ["dispatch", "dispatch", "monitor.read", "dispatch", "monitor.read", "monitor.read"]
    assert [call.args[0] for call in calls.monitor.read.mock_calls] == [1, 2, 3]


def test_a_hidden_transfer_inside_the_loop_raises():
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        run_loop(lambda state, batch: (state, {"loss": jnp.sin(np.ones(3))}), mock.MagicMock(), 1)


def test_checkpoints_tell_the_digest_of_every_part_as_it_is_read_back(tmp_path):
    state, _ = toy_stage.run(tmp_path, 3, fates=toy_stage.parts(digest="of its source"))
    stored = checkpoint.stored(tmp_path)
    student = {"params": state.eval_params["student"], "extra": state.extra["student"]}
    assert stored.digests == {"teacher": "of its source", "student": digest.of(student)}
    toy_stage.run(tmp_path / "other", 3)
    other = checkpoint.stored(tmp_path / "other").digests
    assert other["student"] == stored.digests["student"]
    assert other["teacher"] == digest.of({"params": state.frozen["teacher"], "extra": {}})


def test_a_run_that_goes_on_reads_no_source(tmp_path):
    toy_stage.run(tmp_path, 3)
    fates = toy_stage.parts(read=lambda wanted: pytest.fail("read"))
    assert toy_stage.run(tmp_path, 6, fates=fates)[1].start_step == 3
