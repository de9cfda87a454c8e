import itertools
import time
import tracemalloc

import numpy as np
import pytest

from data_pipeline import prepared_clips

RECORD = {
    "id": "a", "style": 1, "provenance": {"source": "ü.mp4"},
    "poses": np.arange(360, dtype=np.float32).reshape(2, 60, 3),
    "frames": [b"abc", b"", b"defg"],
}  # fmt: skip


def test_what_is_written_is_read(tmp_path):
    prepared_clips.write(tmp_path / "a.npz", RECORD)
    read = prepared_clips.read(tmp_path / "a.npz", ("poses", "music"))
    assert read.pop("poses").tolist() == RECORD["poses"].tolist()
    assert read == {"id": "a", "style": 1, "provenance": {"source": "ü.mp4"}}
    assert list(prepared_clips.pictures(tmp_path / "a.npz")) == RECORD["frames"]
    assert prepared_clips.has_pictures(tmp_path / "a.npz")
    prepared_clips.write(tmp_path / "b.npz", {"id": "b"})
    assert not prepared_clips.has_pictures(tmp_path / "b.npz")


def test_the_same_record_gives_the_same_bytes_at_any_time(tmp_path):
    first = prepared_clips.write(tmp_path / "a.npz", RECORD)
    time.sleep(2.1)  # the clock of .zip files goes in steps of two seconds
    assert prepared_clips.write(tmp_path / "b.npz", RECORD) == first
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert prepared_clips.write(tmp_path / "c.npz", {**RECORD, "style": 2}) != first


def test_pictures_come_and_go_one_at_a_time(tmp_path):
    picture, count = bytes(2**20), 100
    tracemalloc.start()
    try:
        prepared_clips.write(tmp_path / "a.npz", {"id": "a", "frames": itertools.repeat(picture, count)})
        assert sum(len(one) for one in prepared_clips.pictures(tmp_path / "a.npz")) == count * 2**20
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_nothing_is_unpickled(tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        prepared_clips.write(tmp_path / "a.npz", {"id": "a", "poses": np.array([{}], object)})
    np.savez(tmp_path / "b.npz", text=np.frombuffer(b"{}", np.uint8), poses=np.array([{}], object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        prepared_clips.read(tmp_path / "b.npz", ("poses",))
