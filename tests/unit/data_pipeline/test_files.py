import pytest

from data_pipeline import files


def test_data_sets_lie_here_or_in_gs_alone(monkeypatch):
    files.check_known("data")
    files.check_known("gs://bucket/data")
    with pytest.raises(ValueError, match="s3://bucket/data: neither a folder of this machine nor gs://BUCKET/PATH"):
        files.check_known("s3://bucket/data")


def test_files_of_users_are_those_of_this_machine(tmp_path):
    with pytest.raises(ValueError, match="gs://bucket/song.wav: only files of this machine are read"):
        files.existing("gs://bucket/song.wav")
    (tmp_path / "a").write_text("a")
    assert files.existing(tmp_path / "a") == tmp_path / "a"


def test_patterns_of_a_store_are_looked_for_in_its_own_path(tmp_path, monkeypatch):
    (tmp_path / "[1]").mkdir()
    monkeypatch.chdir(tmp_path / "[1]")
    files.check_no_pattern("gs://bucket/data")
    with pytest.raises(ValueError, match="gs://bucket/data. holds ., which TFDS"):
        files.check_no_pattern("gs://bucket/data*")
    with pytest.raises(ValueError, match="TFDS takes for a pattern"):
        files.check_no_pattern("data")


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_there_whole_or_not_at_all(durable, tmp_path, monkeypatch):
    synced, path = [], tmp_path / "a"
    monkeypatch.setattr(files.os, "fsync", synced.append)
    files.write_atomically(path, b"old", durable)
    monkeypatch.setattr(files.os, "replace", lambda *paths: path.read_bytes() == b"old" and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write_atomically(path, b"new", durable)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    assert bool(synced) == durable


def test_a_stamp_tells_files_apart(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"abc")
    assert files.stamp(tmp_path / "a.onnx") == "a.onnx ba7816bf8f01"
