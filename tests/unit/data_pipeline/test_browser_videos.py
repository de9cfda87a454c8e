import av
import numpy as np
import pytest

from data_pipeline import browser_videos, provenance
from data_pipeline.video_files import iter_video, write_video
from tests import media


@pytest.fixture
def clip(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (12, 32, 48, 3), np.uint8)
    write_video(tmp_path / "a.mp4", frames, 30, media.clicks(0.4, 8000), 8000)
    return tmp_path / "a.mp4"


def stored(path, codec, pix_fmt="yuv420p", options=None, **tags):
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=30, options=options or {})
        stream.width = stream.height = 32
        stream.pix_fmt = pix_fmt
        file.metadata.update(tags)
        for _ in range(6):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_a_copy_shows_and_sounds_the_same(clip, tmp_path):
    shown = browser_videos.copy(clip, tmp_path / "b.mp4")
    assert shown[:2] == (48, 32) and shown.sound and shown.seconds == pytest.approx(0.4, abs=0.1)
    for one, other in zip(iter_video(clip), iter_video(tmp_path / "b.mp4"), strict=True):
        assert one.seconds == other.seconds
        np.testing.assert_array_equal(one.picture, other.picture)
    with av.open(str(clip)) as a, av.open(str(tmp_path / "b.mp4")) as b:
        for one, other in zip(a.decode(audio=0), b.decode(audio=0), strict=True):
            np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())


def test_a_copy_starts_before_it_is_loaded_and_tells_nothing(tmp_path):
    path = stored(tmp_path / "a.mov", "libx264", title="made by ours", comment="ours, step 9")
    assert b"made by ours" in path.read_bytes()
    browser_videos.copy(path, tmp_path / "b.mp4")
    content = (tmp_path / "b.mp4").read_bytes()
    assert b"ours" not in content and b"Lavf" not in content
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_copy_for_raters_does_not_say_which_one_is_generated(tmp_path):
    write_video(tmp_path / "a.mp4", np.zeros((4, 32, 32, 3), np.uint8), source=provenance.GENERATED)
    browser_videos.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert provenance.source_of(tmp_path / "b.mp4") is None and b"AI-generated" not in (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("codec", "options"), [
    ("libvpx-vp9", {"deadline": "realtime"}), ("libsvtav1", {"preset": "13"}),
])  # fmt: skip
def test_other_videos_that_browsers_play_are_copied_too(tmp_path, codec, options):
    path = stored(tmp_path / "a.webm", codec, options=options)
    assert browser_videos.copy(path, tmp_path / "b.mp4")[:2] == (32, 32)
    for one, other in zip(iter_video(path), iter_video(tmp_path / "b.mp4"), strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)


def test_what_browsers_may_not_play_is_refused(tmp_path):
    for path, told in (
        (stored(tmp_path / "a.mp4", "mpeg4"), "may not play mpeg4; convert it to H.264"),
        (stored(tmp_path / "b.mp4", "libx264", "yuv444p"), "may not play pixels of yuv444p"),
    ):
        with pytest.raises(ValueError, match=told):
            browser_videos.copy(path, tmp_path / "c.mp4")
    with pytest.raises(FileNotFoundError, match="no such file"):
        browser_videos.copy(tmp_path / "d.mp4", tmp_path / "c.mp4")


def test_a_video_that_is_cut_off_is_refused(clip, tmp_path):
    browser_videos.copy(clip, tmp_path / "b.mp4")  # its index stands first
    content = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ValueError, match=r"b.mp4: (cut off|cannot be decoded)"):
        browser_videos.copy(tmp_path / "b.mp4", tmp_path / "c.mp4")


def test_a_copy_that_cannot_be_written_is_named_not_the_video(clip, tmp_path):
    with pytest.raises(OSError, match=r"cannot write.*gone.b.mp4") as told:
        browser_videos.copy(clip, tmp_path / "gone" / "b.mp4")
    assert not isinstance(told.value, ValueError)
