"""Kept dances give the figures that launch.evaluate gives without keeping any."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from data_pipeline import provenance, sources, video_files
from launch.figures.data import Data
from launch.making import dances
from launch.stages import motion as stage
from launch.suites import kept, motion, sounds
from launch.suites.kept import TRUTH, Place
from launch.suites.networks import Given


@pytest.fixture
def records():
    rng, found = np.random.default_rng(0), []
    for i in range(3):
        poses = rng.uniform(0, 1, (20 + i, 60, 3)).astype(np.float32)
        beats = np.array([4, 11, 17], np.int32)
        found.append({"id": f"clip {i}", "poses": poses, "music": rng.uniform(0, 1, (20 + i, 5)).astype(np.float32),
                      "beats": beats, "song": f"song{i}", "fps": 30})
    return found


@pytest.fixture
def asked(records, monkeypatch):
    """What was asked of the motion stage, which makes noise of a song's seed and length."""
    calls = []

    def choreograph(run, songs, given, frames, seeds, **options):
        calls.append((len(songs), frames, list(seeds)))
        return [
            dances.Dance(np.random.default_rng(seed).uniform(0, 1, (len(song.features), 60, 3)).astype(np.float32),
                         np.full((len(song.features), 5, 6), seed))
            for song, seed in zip(songs, seeds, strict=True)
        ]

    views = sources.from_arrays(records, ["poses", "music", "beats", "song"])
    monkeypatch.setattr(Data, "views", lambda self, fields: [views[i] for i in range(self.clips or len(views))])
    monkeypatch.setattr(sounds, "fields", lambda data: ())
    monkeypatch.setattr(motion.dances, "choreograph", choreograph)
    monkeypatch.setattr(motion.dances, "tokens_of", lambda run, poses: poses)
    return calls


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path, "motion", 3, {"seed": 5})
    found.clips.mkdir(parents=True)
    return found


def test_kept_dances_have_the_figures_of_dances_in_memory(asked, place):
    data = Data("nowhere", seed=5)
    clips = motion.keep(None, data, place)
    figures = motion.figures(place, clips.names, Given({}))
    found = [result for figure in figures if not figure.lacking for result in figure.measure()]
    wanted = stage.figures(None, data)
    assert [result.protocol for result in found] == [result.protocol for result in wanted]
    assert [name for figure in figures[:-1] for name in figure.ids] == [result.protocol for result in found]
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_equal(ours.values, theirs.values, err_msg=ours.protocol)
        assert ours.constants == theirs.constants
    assert figures[-1].ids == ("fvd_poses",) and "--i3d" in figures[-1].lacking
    frames = list(video_files.iter_video(place.clip("clip_1", ".mp4")))
    assert len(frames) == 21 and frames[0].picture.shape == (kept.HEIGHT, kept.WIDTH, 3)
    for name in clips.names:
        assert provenance.source_of(place.clip(name, ".mp4")) == provenance.GENERATED
        assert provenance.source_of(place.clip(name + TRUTH, ".mp4")) is None


def test_only_what_is_missing_is_made_again_by_the_same_seeds(asked, place):
    data = Data("nowhere", seed=5)
    motion.keep(None, dataclasses.replace(data, clips=2), place)
    assert asked == [(8, 21, [5, 6, *[6] * 6])]  # always eight rows
    before = {path.name: path.read_bytes() for path in place.clips.iterdir()}
    motion.keep(None, dataclasses.replace(data, clips=2), place)
    assert len(asked) == 1
    place.clip("clip_0").unlink()
    place.clip("clip_1" + TRUTH).write_bytes(b"cut off")
    stamp = place.clip("clip_0", ".mp4").stat().st_mtime_ns
    motion.keep(None, data, place)
    assert len(asked) == 2 and place.clip("clip_0", ".mp4").stat().st_mtime_ns > stamp
    for name, content in before.items():
        assert name.endswith(".mp4") or (place.clips / name).read_bytes() == content, name
    assert len(list(place.clips.iterdir())) == 12


def test_clips_without_beats_and_of_other_rates_are_named(asked, place):
    names = motion.keep(None, Data("nowhere"), place).names
    pose = motion.Motions(place, names)[1]
    place.write(names[1] + TRUTH, motion.pose_arrays(pose, 512, 288, 25.0))
    figures = motion.figures(place, names, Given({}))
    assert figures[0].lacking.startswith("no beats of clip_1 and 0 more")
    with pytest.raises(ValueError, match="clip_1: 30 frames a second, the true one has 25"):
        figures[-2].measure()


def test_sound_is_that_of_the_clips_part_of_its_song():
    values = {"song": "s", "audio": np.arange(100), "audio_rate": 10, "song_start": 2.0}
    view = SimpleNamespace(value=values.__getitem__)
    heard, rate = sounds.of(view, sounds.FIELDS, 30, 60)
    assert rate == 10
    np.testing.assert_array_equal(heard, np.arange(30, 50))
    values["song"] = ""
    assert sounds.of(view, sounds.FIELDS, 0, 60) == sounds.of(view, (), 0, 60) == (None, None)
