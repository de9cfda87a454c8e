import json

import pytest

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


@pytest.mark.parametrize("line", ["{", '{"loss": 1}', "[1]"])
def test_a_file_of_something_else_is_named(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl: not the metrics of a run \(.*\); move it away to go on"):
        MetricWriter(tmp_path, 3)
    assert (tmp_path / "metrics.jsonl").read_text() == line + "\n"
