"""Videos to clips, with an estimator that reads poses off the pictures."""

import functools
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import audio_files, clip_views, image_files, music, sources, video_files
from data_pipeline.preparation import videos
from tests import footage, media
from tests.footage import HEIGHT


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    footage.plant(monkeypatch)


FIELDS = ("poses", "music", "beats", "frames", "audio", "audio_rate", "song", "song_start", "provenance")


def test_a_video_becomes_a_clip_at_30_fps(tmp_path):
    footage.write(tmp_path / "ä b.mp4")
    footage.write(tmp_path / "other.mp4", shift=80)
    made = footage.prepare(tmp_path, footage.table(tmp_path, "ä b.mp4,train,s1", "other.mp4,test,s2"))
    (clip,) = [sources.from_directory(made, "train", FIELDS)[0]]
    record = clip_views.record(clip, FIELDS)
    assert clip.id == "ä b" and record["song"] == "s1" and record["song_start"] == 0
    assert clip.frames == 59 == len(record["frames"]) == len(record["music"])
    middle = [int(image_files.decode_jpeg(picture)[28, 16, 1]) for picture in record["frames"]]
    np.testing.assert_allclose(middle, [4 * (t // 2) for t in range(59)], atol=6)  # of two as near the earlier
    rise = record["poses"][:, 30, 1] - record["poses"][0, 30, 1]
    np.testing.assert_allclose(rise, -np.arange(59) / 2 / 4 / (HEIGHT / 2), atol=0.04)  # linear between frames
    known = json.loads(record["provenance"])
    assert known["source"] == "ä b.mp4" and len(known["source_sha256"]) == 64
    assert known["estimator"] == {"name": "planted", "version": "1"} and known["scores"]["second_person"] == 0
    assert record["audio_rate"] == 44_100 and abs(len(record["audio"]) - 2 * 44_100) < 44_100 / 10
    assert set(np.diff(record["beats"])) <= {14, 15, 16}


def test_spans_are_clips_of_one_song_with_their_own_pictures_and_music(tmp_path, monkeypatch):
    written, real = [], videos.clip_files.write_sound
    monkeypatch.setattr(videos.clip_files, "write_sound", lambda *given: written.append(given) or real(*given))
    footage.write(tmp_path / "a.mp4", 60)
    footage.write(tmp_path / "b.mp4", 60, shift=8)
    made = footage.prepare(tmp_path, footage.table(tmp_path, "a.mp4,train,", "b.mp4,test,"), **{"spans.seconds": 2.0})
    assert len(written) == 2  # once a video, not once a clip
    clips = sources.from_directory(made, "train", FIELDS)
    first, second = (clip_views.record(clips[i], FIELDS) for i in range(2))
    assert [first["id"], second["id"]] == ["a-0000", "a-0001"] and second["song_start"] == 2.0
    level = [int(image_files.decode_jpeg(one["frames"][0])[28, 16, 1]) for one in (first, second)]
    assert abs(level[0]) < 6 and abs(level[1] - 4 * 30) < 6
    assert len(clips.parts["songs"]) == 1 and np.array_equal(first["audio"], second["audio"])  # b sounds like a
    whole = footage.prepare(tmp_path / "whole", footage.table(tmp_path, "a.mp4,train,", "b.mp4,test,"))
    music = sources.from_directory(whole, "train", ("music",))[0].value("music")
    np.testing.assert_array_equal(second["music"], music[60 : 60 + len(second["music"])])


def test_what_is_dropped_is_measured_and_other_limits_let_it_in(tmp_path, monkeypatch):
    footage.write(tmp_path / "a.mp4")
    footage.write(tmp_path / "b.mp4", shift=8)
    footage.write(tmp_path / "crowd.mp4", red=True)
    footage.write(tmp_path / "short.mp4", 12)
    table = footage.table(tmp_path, "a.mp4,train,", "b.mp4,test,", "crowd.mp4,train,", "short.mp4,train,")
    made = footage.prepare(tmp_path, table)
    assert len(sources.from_directory(made, "train", ("poses",))) == 1
    assert {name: why for name, (why, _) in footage.rejects(tmp_path).items()} == {
        "crowd": "several_people", "short": "too_short",
    }
    looked = []
    real = videos.looking.look
    monkeypatch.setattr(videos.looking, "look", lambda path, *rest: looked.append(Path(path).name) or real(path, *rest))
    cache = str(tmp_path / "data" / "cache")
    again = footage.prepare(tmp_path / "again", table, cache=cache, **{"filters.second_person": 1.0})
    assert len(sources.from_directory(again, "train", ("poses",))) == 2 and looked == ["crowd.mp4"]
    looked.clear()
    stricter = {"filters.corner_deviation": 0.0, "filters.second_person": 1.0, "cache": cache}
    third = footage.prepare(tmp_path / "third", table, **stricter)
    assert not looked and sources.fingerprint(third) != sources.fingerprint(again)


def test_files_that_cannot_be_used_are_rows_and_stop_nothing(tmp_path):
    footage.write(tmp_path / "a.mp4")
    footage.write(tmp_path / "b.mp4", shift=8)
    footage.write(tmp_path / "mute.mp4", sound=False)
    (tmp_path / "none.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:700])
    table = footage.table(
        tmp_path, "a.mp4,train,", "b.mp4,test,", "mute.mp4,train,", "none.mp4,train,", "text.mp4,train,",
        "cut.mp4,train,", "missing.mp4,train,",
    )
    made = footage.prepare(tmp_path, table)
    assert len(sources.from_directory(made, "train", ("poses",))) == 1
    rejects = footage.rejects(tmp_path)
    assert set(rejects) == {"mute", "none", "text", "cut", "missing"}
    assert rejects["mute"][0] == "no_music" and "mute.mp4" in rejects["mute"][1]
    for name in ("none", "text", "cut", "missing"):
        assert rejects[name][0] == "failed" and f"{name}.mp4" in rejects[name][1], rejects[name]
    page = (tmp_path / "data" / "videos.report" / "report.html").read_text()
    assert "no_music" in page and "missing" in page


def test_without_music_clips_without_sound_are_kept(tmp_path):
    footage.write(tmp_path / "a.mp4", sound=False)
    footage.write(tmp_path / "b.mp4", sound=False, shift=8)
    made = footage.prepare(tmp_path, footage.table(tmp_path, "a.mp4,train,", "b.mp4,test,"), music="none")
    assert sources.features(made) is None
    assert len(sources.from_directory(made, "train", ("poses", "frames"))) == 1


def test_features_that_were_made_elsewhere_are_normalised_over_the_training_clips(tmp_path):
    (tmp_path / "rows").mkdir()
    for name, level in (("a", 2.0), ("b", 9.0)):
        footage.write(tmp_path / f"{name}.mp4", shift=int(level))
        rows = np.random.default_rng(0).normal(level, 3.0, (60, 4)).astype(np.float32)
        np.save(tmp_path / "rows" / f"{name}.npy", rows)
    fields = {"music": "mine4", "arrays.folder": str(tmp_path / "rows"), "arrays.rate": 30.0}
    made = footage.prepare(tmp_path, footage.table(tmp_path, "a.mp4,train,", "b.mp4,test,"), **fields)
    features = sources.features(made)
    music = sources.from_directory(made, "train", ("music",))[0].value("music")
    assert features.name == "mine4" and music.shape == (59, 4)
    np.testing.assert_allclose(features.offset, music.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(features.normalise(music).std(axis=0), 1, rtol=1e-3)


def _whole(path: Path, frames: int) -> tuple[music.Heard, np.ndarray]:
    """Features of a film's sound and the sound, from the whole in memory."""
    audio = audio_files.read_audio(path, videos.AUDIO_RATE)
    return music.hear("librosa35", audio, videos.AUDIO_RATE, frames), np.round(audio * 32767).astype(np.int16)


def test_sound_that_comes_in_blocks_is_what_the_whole_gives(tmp_path, monkeypatch):
    of = functools.partial(music.windows.of, length=5)  # so the song is longer than what is listened to for the video
    monkeypatch.setattr(music.windows, "of", of)
    for number, name in enumerate(("a", "b")):
        footage.write(tmp_path / f"{name}.mp4", 60, shift=8 * number)
        video_files.write_video(
            tmp_path / f"{name}_song.mp4", np.zeros((240, 16, 16, 3), np.uint8), 30, media.clicks(8), 44_100
        )
    (tmp_path / "t.csv").write_text("file,split,music\na.mp4,train,\nb.mp4,test,b_song.mp4\n")
    made = footage.prepare(tmp_path, tmp_path / "t.csv")
    for split, file in (("train", "a.mp4"), ("test", "b_song.mp4")):
        record = clip_views.record(sources.from_directory(made, split, FIELDS)[0], FIELDS)
        heard, audio = _whole(tmp_path / file, len(record["poses"]))
        np.testing.assert_array_equal(record["music"], heard.rows)
        np.testing.assert_array_equal(record["beats"], heard.beats)
        shown = record["audio"]
        assert len(shown) == (4 * 44_100 if split == "train" else len(audio))
        assert len(audio) > (3 if split == "train" else 7.9) * 44_100
        np.testing.assert_array_equal(shown[: len(audio)], audio[: len(shown)])
        assert not shown[len(audio) :].any()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_sound(tmp_path, monkeypatch):
    """Around what is heard of it, whose own memory test_windows.py looks at."""
    monkeypatch.setattr(music, "hear", lambda name, blocks, rate, frames: music.Heard(
        np.zeros((frames, 35), np.float32), np.array([sum(len(block) for block in blocks)])
    ))
    peaks = []
    for seconds in (20, 250, 1000):  # the first imports
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, seconds * 8000))
        song = media.store_sound(tmp_path / f"{seconds}.flac", noise, 8000, "flac")
        job = videos.Job("a", "a.mp4", {"music": str(song)}, {"music": "librosa35"})
        (tmp_path / f"{len(peaks)}").mkdir()
        tracemalloc.start()
        heard = videos._heard(job, "a.mp4", np.arange(0, 3, 1 / 30), tmp_path / f"{len(peaks)}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert heard.fields["beats"] == pytest.approx(seconds * 44_100, abs=100)
    assert peaks[2] < 1.2 * peaks[1] < 0.4 * 1000 * 44_100 * 2  # bytes of int16


@pytest.mark.parametrize(("times", "count", "expected"), [
    ([0, 0.5, 1.0], 31, [0] * 8 + [1] * 15 + [2] * 8),
    ([0], 3, [0, 0, 0]),
    ([0, 1 / 60, 2 / 60, 3 / 60], 2, [0, 2]),
])
def test_the_nearest_frame_is_shown(times, count, expected):
    assert videos.nearest(np.array(times), count).tolist() == expected
