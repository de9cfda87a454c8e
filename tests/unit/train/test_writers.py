import json
import struct

import pytest

from xdancer_jax.train import writers
from xdancer_jax.train.writers import MetricWriter, Progress


def test_resuming_drops_later_lines_and_a_torn_one(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 3.0}\n{"step": 3, "loss": 2.0}\n{"step": 4, "loss": 1.0}\n{"step": 3, "lo')
    writer = MetricWriter(tmp_path, 3)
    writer.write(4, {"loss": 0.5})
    # Flushed: readable before the writer is closed.
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 3.0}, {"step": 3, "loss": 2.0}, {"step": 4, "loss": 0.5}]
    writer.close()
    assert list((tmp_path / "tensorboard").iterdir())


def test_progress_prints_losses_and_speed_when_there_is_no_terminal(capsys):
    progress = Progress("toy", 0, 5, 2)
    for step in range(1, 6):
        progress.update(step, {"loss": 0.25, "grad_norm": 9.0}, 0.5, 8)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "toy 2/5 loss=0.25 step=500.0ms examples/s=16.0"
    assert [line.split()[1] for line in lines] == ["2/5", "4/5", "5/5"]


@pytest.mark.parametrize("line", ["{", '{"loss": 1}', "[1]", "[" * 100_000])
def test_a_file_of_something_else_is_named(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl: not the metrics of a run \(.*\); move it away to go on"):
        MetricWriter(tmp_path, 3)
    assert (tmp_path / "metrics.jsonl").read_text() == line + "\n"


def test_a_full_disk_under_tensorboard_is_one_warning_and_later_writes_try_again(tmp_path, monkeypatch, caplog):
    write = writers._File._write

    def full(file, data):
        if "events" in file._path.name and full_now:
            raise OSError(28, "No space left on device")
        write(file, data)

    monkeypatch.setattr(writers._File, "_write", full)
    writer = None
    for step, full_now in enumerate((False, True, True, False), 1):  # noqa: B007 (full() reads it)
        writer = writer or MetricWriter(tmp_path, 0)
        writer.write(step, {"loss": float(step)})
    writer.close()
    assert caplog.text.count("tensorboard: metrics could not be written, training goes on") == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4
    assert [(step, round(value, 3)) for step, name, value in events(tmp_path)] == [(n, float(n)) for n in range(1, 5)]


def events(workdir):
    """(step, name, value) of every scalar under workdir/tensorboard, checksums looked at."""
    found = []
    for path in sorted((workdir / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            assert struct.unpack("<I", data[8:12]) == (writers.masked_crc32c(data[:8]),)
            event, rest = data[12 : 12 + length], data[12 + length :]
            assert struct.unpack("<I", rest[:4]) == (writers.masked_crc32c(event),)
            event, data = writers.event_pb2.Event.FromString(event), rest[4:]
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return found


def test_tensorboard_gets_every_scalar_and_is_told_which_steps_do_not_count(tmp_path):
    writer = MetricWriter(tmp_path, 3)
    writer.write(4, {"loss": 0.5, "eval/loss": 2.0})
    writer.close()
    assert events(tmp_path) == [(4, "loss", 0.5), (4, "eval/loss", 2.0)]
    [path] = (tmp_path / "tensorboard").iterdir()
    assert writers._begun(4)[-8:-4] in path.read_bytes() and b"brain.Event:2" in path.read_bytes()


def test_metrics_that_cannot_be_written_are_one_warning_and_written_later(tmp_path, caplog):
    writer, path = MetricWriter(tmp_path, 0), tmp_path / "metrics.jsonl"
    writer.write(1, {"loss": 1.0})
    path.rename(tmp_path / "kept")
    path.mkdir()  # what takes no line
    writer.write(2, {"loss": 2.0})
    writer.write(3, {"loss": 3.0})
    path.rmdir()
    (tmp_path / "kept").rename(path)
    writer.write(4, {"loss": 4.0})
    writer.close()
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]
    assert caplog.text.count("metrics.jsonl: metrics could not be written") == 1


def test_a_disk_that_fills_within_a_line_leaves_whole_lines(tmp_path, full_disk, caplog):
    writer, path = MetricWriter(tmp_path, 0), tmp_path / "metrics.jsonl"
    for step in range(1, 40):
        writer.write(step, {f"a metric of a long name {number}": 0.123456789 for number in range(20)})
    writer.close()
    assert caplog.text.count("metrics.jsonl: metrics could not be written") == 1
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()][:3] == [1, 2, 3]


def test_a_folder_that_takes_nothing_from_the_start_stops_nothing(tmp_path, caplog):
    (tmp_path / "run").touch()
    writer = MetricWriter(tmp_path / "run", 3)
    writer.write(4, {"loss": 1.0})
    (tmp_path / "run").unlink()
    writer.write(5, {"loss": 1.0})
    writer.close()
    assert caplog.text.count("could not be written") == 2  # of either place
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 5]
