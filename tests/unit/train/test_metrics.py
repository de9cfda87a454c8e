"""The metrics of a run, in either layout, after whatever stopped it."""

import json

import pytest

from xdancer_jax import paths
from xdancer_jax.train import metrics, writers
from xdancer_jax.train.writers import MetricWriter


@pytest.fixture(params=["local", "store"])
def workdir(request, tmp_path, store):
    return tmp_path / "run" if request.param == "local" else paths.at("gs://bucket/run")


def write(workdir, start, steps, close=True, loss=1.0):
    """As a call of train does that checkpoints every second step; one that does not close was killed."""
    writer = MetricWriter(workdir, start)
    for step in steps:
        writer.write(step, {"loss": loss})
        if step % 2 == 0:
            writer.flush()
    if close:
        writer.close()


def test_a_run_without_metrics_has_none(workdir):
    assert metrics.read(workdir) == []


def test_what_was_written_is_read(workdir):
    write(workdir, 0, range(1, 6))
    assert metrics.read(workdir) == [{"step": step, "loss": 1.0} for step in range(1, 6)]


def test_after_a_kill_no_step_is_lost_or_there_twice(workdir):
    write(workdir, 0, range(1, 8), close=False)  # killed at step 7
    write(workdir, 4, range(5, 6), close=False, loss=2.0)  # the checkpoint of step 6 was not finished; killed again
    write(workdir, 4, range(5, 9), loss=3.0)
    write(workdir, 8, range(9, 11), loss=4.0)
    found = metrics.read(workdir)
    assert [line["step"] for line in found] == list(range(1, 11))
    assert [line["loss"] for line in found] == [1.0] * 4 + [3.0] * 4 + [4.0] * 2


def test_a_run_that_begins_anew_leaves_nothing_of_the_first(workdir):
    write(workdir, 0, range(1, 4))
    write(workdir, 0, range(1, 3), loss=2.0)
    assert metrics.read(workdir) == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 2.0}]


def test_a_store_gets_few_whole_parts_and_no_old_one_is_touched(store):
    workdir = paths.at("gs://bucket/run")
    write(workdir, 0, range(1, 8))
    before = {name: entry.generation for name, entry in store.objects["bucket"].items()}
    assert [name for name in sorted(before) if "metrics" in name] == [
        f"run/metrics/00001-000000000-00000{number}.jsonl" for number in range(4)]
    write(workdir, 4, [5, 6])
    after = {name: entry.generation for name, entry in store.objects["bucket"].items()}
    assert before.items() <= after.items() and "run/metrics/00002-000000004-000000.jsonl" in after


def test_lines_wait_a_minute_at_most_for_the_next_one(store, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(writers.time, "monotonic", lambda: now[0])
    writer = MetricWriter(paths.at("gs://bucket/run"), 0)
    for step in range(1, 4):
        now[0] += 25.0
        writer.write(step, {"loss": 1.0})
    assert [line["step"] for line in metrics.read("gs://bucket/run")] == [1, 2, 3]
    writer.write(4, {"loss": 1.0})
    assert len(metrics.read("gs://bucket/run")) == 3


def test_a_store_that_takes_none_for_a_while_is_one_warning_and_gets_them_later(store, caplog):
    writer = MetricWriter(paths.at("gs://bucket/run"), 0)
    store.broken = "POST .*metrics"
    for step in (1, 2):
        writer.write(step, {"loss": 1.0})
        writer.flush()
    store.broken = ""
    writer.write(3, {"loss": 1.0})
    writer.close()
    assert [line["step"] for line in metrics.read("gs://bucket/run")] == [1, 2, 3]
    assert caplog.text.count("gs://bucket/run/metrics: metrics could not be written") == 1


def test_a_run_may_be_copied_out_of_a_store_and_into_one(store, tmp_path):
    write(paths.at("gs://bucket/run"), 0, range(1, 6))
    for name in store.names("bucket"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(store.objects["bucket"][name].data)
    assert [line["step"] for line in metrics.read(tmp_path / "run")] == [1, 2, 3, 4, 5]
    write(tmp_path / "run", 4, [5, 6], loss=2.0)
    assert [(line["step"], line["loss"]) for line in metrics.read(tmp_path / "run")][3:] == [(4, 1), (5, 2), (6, 2)]
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 6
    store.reset()
    store.put("bucket", "run/metrics.jsonl", (tmp_path / "run" / "metrics.jsonl").read_bytes())
    write(paths.at("gs://bucket/run"), 4, [5], loss=3.0)
    assert [(line["step"], line["loss"]) for line in metrics.read("gs://bucket/run")][3:] == [(4, 1), (5, 3)]


def test_a_part_of_something_else_is_named(store):
    store.put("bucket", "run/metrics/00001-000000000-000000.jsonl", b"[1]\n")
    with pytest.raises(ValueError, match="000000.jsonl: not the metrics of a run"):
        metrics.read("gs://bucket/run")


def test_tensorboard_gets_whole_files_in_the_order_of_their_names(store):
    write(paths.at("gs://bucket/run"), 3, range(4, 8))
    names = [name for name in store.names("bucket") if "tensorboard" in name]
    files = [store.objects["bucket"][name].data for name in names]
    assert len(files) == 3 and all(b"brain.Event:2" in data[:40] for data in files)
    assert [b"loss" in data for data in files] == [True] * 3
    assert writers._begun(4)[-8:-4] in files[0] and writers._begun(4)[-8:-4] not in files[1]
    assert json.dumps(names) == json.dumps(sorted(names))
