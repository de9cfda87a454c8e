import contextlib
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
from xdancer_jax.train import checkpoint, checkpointer, digest, disk, hooks, loop
from xdancer_jax.train.guard import Guard
from xdancer_jax.train.model_flops import model_flops
from xdancer_jax.train.retention import Clock, Policy
from xdancer_jax.train.settings import Surroundings

ONE = {"data": 1, "fsdp": 1, "tensor": 1}


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def without_speed(rows):
    timed = ("examples_per_second", "time/", "memory/")
    return [{key: value for key, value in row.items() if not key.startswith(timed)} for row in rows]


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

    told = "step 6: not finite.*loss nan"
    with pytest.raises(FloatingPointError, match=told):
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

    def finish(extra, sums, train):
        new, metrics = stage.finish(extra, sums, train)
        return jax.tree.map(lambda leaf: leaf * jnp.nan, new) if what == "codebook" else new, metrics

    if what == "parameters":  # a rate that is NaN: the loss and the gradient do not show it
        transform = optax.chain(rate.transform, optax.scale(float("nan")))
        rate = dataclasses.replace(rate, transform=transform)
    with pytest.raises(FloatingPointError, match="step 1: not finite.*update_norm nan"):
        toy_stage.run(tmp_path, 1, stage=dataclasses.replace(stage, finish=finish), optimizer=rate)
    assert checkpoint.newest(tmp_path) == 0


def test_weights_that_changed_in_their_files_are_damage(tmp_path, monkeypatch):
    toy_stage.run(tmp_path, 3)
    load = checkpoint.load
    monkeypatch.setattr(checkpoint, "load", lambda directory, wanted: {
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


def test_hooks_run_once_the_checkpoint_is_on_its_way_and_evaluation_is_the_same_each_time(tmp_path):
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
    assert [step for step, _ in seen] == [3] and seen[0][1]
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
    panel, telemetry = mock.Mock(**{"set.return_value": "control"}), mock.MagicMock()
    batches, policy = iter(["batch"] * steps), Policy(every=0)
    run = loop._Run(step_fn, batches, panel, np.ones(steps), policy, monitor, telemetry, (), mock.Mock())
    return run("state", range(steps), lambda: False)


def test_metrics_of_a_step_are_read_after_the_next_one_is_dispatched():
    calls = mock.Mock()
    calls.dispatch.return_value = ("state", {})
    calls.monitor.paused = mock.MagicMock()
    calls.monitor.read.return_value = frozenset()
    run_loop(calls.dispatch, calls.monitor, 3)
    order = [name for name, *_ in calls.mock_calls if name in ("dispatch", "monitor.read")]
    assert order == ["dispatch", "dispatch", "monitor.read", "dispatch", "monitor.read", "monitor.read"]
    assert [call.args[0] for call in calls.monitor.read.mock_calls] == [1, 2, 3]


def test_a_hidden_transfer_inside_the_loop_raises():
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        run_loop(lambda state, batch, control: (state, {"loss": jnp.sin(np.ones(3))}), mock.MagicMock(), 1)


def told_at(step):
    """Surroundings that tell the run to end once it is at `step`."""
    calls = itertools.count(1)

    @contextlib.contextmanager
    def listening():
        yield lambda: next(calls) >= step

    return Surroundings(listening=listening)


@pytest.mark.parametrize(("every", "ends"), [(0, 5), (2, 4)])  # a step that is saved anyhow is read at once
def test_a_run_that_is_told_to_end_saves_the_step_and_goes_on_as_if_nothing_had_been(tmp_path, every, ends):
    whole, _ = toy_stage.run(tmp_path / "whole", 9, checkpoint_every=every)
    _, summary = toy_stage.run(tmp_path / "cut", 9, checkpoint_every=every, surroundings=told_at(4))
    assert summary.interrupted and summary.step == checkpoint.newest(tmp_path / "cut") == ends
    rest, summary = toy_stage.run(tmp_path / "cut", 9, checkpoint_every=every)
    assert (summary.start_step, summary.step, summary.interrupted) == (ends, 9, False)
    toy_stage.assert_same(whole, rest)
    assert without_speed(lines(tmp_path / "whole")) == without_speed(lines(tmp_path / "cut"))


def test_an_evaluation_that_was_left_out_is_made_up_for(tmp_path):
    seen = []
    look = hooks.Hook("look", 3, lambda step, state: seen.append(step) or {"at": float(state.step)})
    for steps, after in ((6, [3, 6]), (3, [3])):  # the last step may be done, and its evaluation not
        folder = tmp_path / str(steps)
        seen.clear()
        _, summary = toy_stage.run(folder, steps, hooks=(look,), surroundings=told_at(2))
        assert summary.interrupted and summary.step == 3 and not seen
        for _ in range(2):  # the second time nothing is left to do
            _, summary = toy_stage.run(folder, steps, hooks=(look,))
            assert not summary.interrupted and seen == after
        rows = [row for row in lines(folder) if "look/at" in row]
        assert rows == [{"step": step, "look/at": float(step)} for step in after]


def test_minutes_save_as_well(tmp_path, monkeypatch):
    now = itertools.count(0, 50)
    monkeypatch.setattr(loop, "Clock", lambda minutes: Clock(minutes, lambda: next(now)))
    saved = []
    save = checkpointer.Checkpointer.save
    monkeypatch.setattr(checkpointer.Checkpointer, "save", lambda self, step, *args, **options: (
        saved.append(step), save(self, step, *args, **options)))
    toy_stage.run(tmp_path, 8, policy=Policy(every=0, minutes=1.5, newest=2))
    assert len(saved) > 2 and saved[-1] == 8 and saved[0] > 1


def test_bad_steps_are_left_out_up_to_so_many_in_a_row(tmp_path, caplog):
    def poisoned(bad):
        def batches(start):
            for step, batch in enumerate(toy_stage.batches(start), start):
                yield {"x": batch["x"] * (np.nan if step in bad else 1)}

        return batches

    def run(folder, steps, bad, **options):
        return toy_stage.run(
            tmp_path / folder, steps, stage=toy_stage.make(poison=True), make_iterator=poisoned(bad),
            guard=Guard(skip=2), surroundings=Surroundings(clips=lambda step: [f"clip {step}"]), **options,
        )

    before, _ = run("short", 3, ())
    state, _ = run("skipping", 5, (3, 4))
    toy_stage.assert_same((before.params, before.extra, before.opt_state, before.ema), (
        state.params, state.extra, state.opt_state, state.ema))
    assert int(state.step) == 5 and int(state.guard.skipped) == 2
    rows = [json.loads(line) for line in (tmp_path / "skipping" / "bad_steps.jsonl").read_text().splitlines()]
    assert [(row["step"], row["clips"], row["metrics"]["loss"]) for row in rows] == [
        (4, ["clip 4"], "nan"), (5, ["clip 5"], "nan")]
    assert "step 4: not finite" in caplog.text and "left out, 1 in a row of at most 2" in caplog.text
    told = "step 6: not finite.*3 bad steps in a row; checkpoints .*bad_steps.jsonl names"
    with pytest.raises(FloatingPointError, match=told):
        run("skipping", 9, (3, 4, 5))  # the two before the restart count
    straight, _ = run("straight", 9, (3, 4, 6))
    again, _ = run("skipping", 9, (3, 4, 6))
    toy_stage.assert_same(straight, again)


def test_a_run_tells_of_its_time_and_leaves_a_profile(tmp_path):
    memory = {"in_use": 5e8}
    toy_stage.run(
        tmp_path, 6, log_every=2, profile_start=3, profile_steps=2, surroundings=Surroundings(memory=lambda: memory),
    )
    for row in lines(tmp_path):
        assert row["time/slowest_step"] >= row["time/step_seconds"] > 0 and row["time/step_deviation"] >= 0
        assert 0 <= row["time/data_wait_share"] < 1 and 0 < row["time/goodput"] < 1
        assert row["memory/in_use_gigabytes"] == 0.5 and row["examples_per_second"] > 0
    assert "time/mfu" not in lines(tmp_path)[0]  # nothing is known of a CPU's peak
    assert [entry.name for entry in (tmp_path / "profile").iterdir()] == ["step-3-process-0"]
    spent = json.loads((tmp_path / "goodput.json").read_text())
    assert spent["step"] == 6 and spent["seconds"]["compile"] > 0 and spent["seconds"]["checkpoint"] > 0


def test_the_share_of_the_peak_is_told_where_there_is_one(tmp_path):
    toy_stage.run(tmp_path, 3, surroundings=Surroundings(peak_flops=1e9))
    row = lines(tmp_path)[-1]
    counted = model_flops(toy_stage.make(), *shapes_of(tmp_path / "other"))
    np.testing.assert_allclose(row["time/mfu"], counted / row["time/step_seconds"] / 1e9, rtol=1e-6)


def shapes_of(workdir):
    state, _ = toy_stage.run(workdir, 0)
    mesh = toy_stage.sharding.make_mesh(ONE, jax.devices()[:1])
    return state, next(toy_stage.batches(0)), mesh, toy_stage.tables.data


def test_the_best_are_kept_by_what_was_written_of_them(tmp_path):
    values = {2: 3.0, 4: 1.0, 6: 2.0, 8: 5.0, 10: 4.0}
    look = hooks.Hook("eval", 2, lambda step, state: {"loss": values[step]})
    policy = Policy(every=2, newest=1, best=2)
    for steps in (6, 10):  # what was found before a restart counts
        toy_stage.run(tmp_path, steps, hooks=(look,), policy=policy)
    assert checkpoint.steps(tmp_path) == [4, 6, 10]


def test_checkpoints_wait_for_their_evaluation_where_that_is_asked_for(tmp_path):
    policy = Policy(every=2, newest=1, wait_for_evaluation=True)
    toy_stage.run(tmp_path, 8, policy=policy, surroundings=Surroundings(evaluated=lambda: {2, 6}))
    assert checkpoint.steps(tmp_path) == [4, 8]


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
