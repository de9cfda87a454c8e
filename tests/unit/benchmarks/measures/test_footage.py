import csv
import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.measures import footage
from data_pipeline import video_files, video_sound
from data_pipeline.preparation import estimators


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return footage.write_video(tmp_path_factory.mktemp("video") / "a.mp4", 9.0, 36, 64)


def test_a_video_lasts_as_long_as_it_should_and_is_one_turn_again_and_again(video):
    frames = list(video_files.iter_video(video))
    assert [frame.seconds for frame in frames] == pytest.approx([i / 30 for i in range(270)], abs=1e-3)
    np.testing.assert_array_equal(frames[3].picture, frames[243].picture)  # a turn is 240 frames
    assert len({frame.picture.tobytes() for frame in frames[:60]}) > 10
    audio = np.concatenate(list(video_sound.read_blocks(video, 44_100)))
    assert len(audio) == pytest.approx(9 * 44_100, abs=100) and np.abs(audio).max() > 0.1


def test_another_video_is_shown_to_and_fro(video, tmp_path):
    other = footage.write_video(tmp_path / "b.mp4", 1.0, 72, 128, str(video))
    frames = [frame.picture for frame in video_files.iter_video(other)]
    assert len(frames) == 30 and frames[0].shape == (72, 128, 3)
    assert np.abs(frames[2].astype(int) - frames[27]).mean() < 3


def test_copies_differ_and_show_the_same(video, tmp_path):
    copies = footage.write_copies(video, tmp_path, 3)
    assert len({hashlib.sha256(copy.read_bytes()).hexdigest() for copy in copies}) == 3
    first, last = ([frame.picture for frame in video_files.iter_video(copy)] for copy in (video, copies[2]))
    np.testing.assert_array_equal(first, last)
    (tmp_path / "a.webm").write_bytes(b"\x1aE\xdf\xa3" * 4)
    with pytest.raises(ValueError, match="no MP4 or MOV"):
        footage.write_copies(tmp_path / "a.webm", tmp_path, 1)


def test_a_table_names_a_test_clip_and_a_song_and_nothing_is_dropped(video, tmp_path, monkeypatch):
    song = footage.write_song(tmp_path / "song.wav", 2.0)
    table = footage.write_table(tmp_path / "videos.csv", footage.write_copies(video, tmp_path, 3), song)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["split"] for row in rows] == ["train", "train", "test"]
    assert {row["music"] for row in rows} == {str(song)}
    model = SimpleNamespace(name="a", version="1")
    monkeypatch.setattr(estimators, "estimator", lambda **settings: model)
    jobs = footage.jobs(table, (64, 32))
    assert [job.id for job in jobs] == ["clip000", "clip001", "clip002"] and jobs[0].settings["size"] == [64, 32]
    assert jobs[0].limits["person_box"] == 0 and jobs[0].limits["corner_deviation"] == 255
    assert f"--config.videos={table}" in footage.arguments(table, tmp_path / "data", (64, 32))
