"""What the flags of marking do to the files that launch.generate writes."""

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from data_pipeline import provenance, video_files
from launch.making import dances, marking, marking_flags, signing
from launch.making.dances import Dance
from launch.making.painting import Dancer

SIZE = (112, 64)


@pytest.fixture
def write(tmp_path):
    """What is in dance.mp4 and dance_skeleton.mp4 under these flags: their frames."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # parsing would ask for the required flags of all that other tests import

    def write(**given):
        frames = np.full((4, *SIZE, 3), 200, np.uint8)
        poses = np.random.default_rng(0).uniform(0, 0.5, (4, 60, 3)).astype(np.float32)
        dance = Dance(poses, np.zeros((4, 5, 6), np.int64))
        song = dances.Song(np.zeros(5880, np.int16), np.zeros((4, 35)))
        with flagsaver.flagsaver(**given):
            marking_flags.check()
            paths = marking_flags.write(
                str(tmp_path / "dance.mp4"), iter(frames), Dancer(frames[0], poses[0]), dance, song
            )
        assert [path.name for path in paths] == ["dance.mp4", "dance_poses.npz", "dance_skeleton.mp4"]
        assert all(provenance.source_of(path) == provenance.GENERATED for path in paths[::2])
        return [[frame.picture for frame in video_files.iter_video(path)] for path in paths[::2]]

    return write


def test_a_visible_mark_is_on_every_frame_of_the_video_and_only_where_asked_for(write):
    (plain, _), (labelled, drawn) = write(), write(visible_mark=True)
    letters, top, left = marking.label(*SIZE)
    assert np.max(drawn) > 100 and np.max(np.array(drawn)[:, : top + letters.shape[0]]) < 40  # black, and no label
    for before, frame in zip(plain, labelled, strict=True):
        assert np.ptp(before) < 8  # what was given
        box = frame[top : top + letters.shape[0], left : left + letters.shape[1]].mean(-1)
        assert box[letters > 0.9].mean() > 200 and box[letters == 0].mean() < 90
        assert np.abs(frame[top + letters.shape[0] + 8 :].astype(int) - 200).max() < 8


def test_both_videos_are_signed_after_they_are_written(write, monkeypatch):
    calls = []

    class Signer:
        def __init__(self, *files):
            calls.append(files)

        def __call__(self, path):
            calls.append((path.name, path.stat().st_size > 0))

    marking_flags._signer.cache_clear()
    monkeypatch.setattr(marking_flags, "_signer", Signer)
    write(c2pa_certificate="a.pem", c2pa_key="b.pem")
    made = ("a.pem", "b.pem")
    assert calls == [made, made, ("dance.mp4", True), made, ("dance_skeleton.mp4", True)]
    calls.clear()
    write()
    assert calls == []


def test_a_certificate_without_its_key_is_refused_before_the_work(write, monkeypatch, tmp_path):
    monkeypatch.setattr(signing.importlib.util, "find_spec", lambda name: True)
    for given in ({"c2pa_certificate": "a.pem"}, {"c2pa_key": "a.pem"}):
        with pytest.raises(ValueError, match="--c2pa_certificate and --c2pa_key go together"):
            write(**given)
    with pytest.raises(FileNotFoundError, match="none.pem: no such file"):
        write(c2pa_certificate=str(tmp_path / "none.pem"), c2pa_key=str(tmp_path / "none.pem"))
    assert not list(tmp_path.iterdir())
