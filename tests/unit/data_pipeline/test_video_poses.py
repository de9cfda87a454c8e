import av
import numpy as np
import pytest

from data_pipeline import frame_times, pose_files, provenance, video_files, video_poses

TIMES = np.array([0, 0.1, 0.15, 0.4, 0.45, 0.9])


class Estimator:
    """A body whose neck's x counts pictures by their grey; nobody in picture 3."""

    def video(self, frames):
        self.seconds = []
        for seconds, picture in frames:
            self.seconds.append(seconds)
            grey = round(picture.mean() / 30)
            yield np.zeros((60, 3), np.float32) if grey == 3 else np.tile(np.float32((10 + grey, 20, 0.9)), (60, 1))


@pytest.fixture
def video(tmp_path):
    pictures = np.repeat(30 * np.arange(6, dtype=np.uint8), 32 * 64 * 3).reshape(6, 32, 64, 3)
    video_files.write_video(tmp_path / "a.mp4", pictures, 10, times=TIMES)
    return tmp_path / "a.mp4"


def test_poses_have_the_times_of_their_pictures(video, tmp_path):
    estimator, seen = Estimator(), []
    clip = video_poses.estimate_video(estimator, video, lambda frames: seen.append(1) or frames)
    np.testing.assert_allclose(clip.times, TIMES, atol=1e-4)
    np.testing.assert_allclose(estimator.seconds, TIMES, atol=1e-4)
    assert (clip.height, clip.width, clip.lost, seen) == (32, 64, 0, [1])
    between = 12 + 2 * (0.4 - 0.15) / (0.45 - 0.15)  # the frame without anybody
    np.testing.assert_allclose(clip.poses[:, 1, 0], [10, 11, 12, between, 14, 15], atol=1e-3)
    np.testing.assert_allclose(clip.poses[:, 1, 2], [0.9, 0.9, 0.9, 0, 0.9, 0.9], rtol=1e-6)
    pose_files.save_clip(tmp_path / "a.npz", clip)
    np.testing.assert_allclose(pose_files.load_poses(tmp_path / "a.npz").times, TIMES, atol=1e-4)


def test_the_overlay_runs_in_step_with_its_video(video, tmp_path):
    clip = video_poses.estimate_video(Estimator(), video)
    video_poses.write_overlay(tmp_path / "look.mp4", video, clip)
    assert provenance.source_of(tmp_path / "look.mp4") is None  # drawn over a recording
    times, pictures = zip(*video_files.iter_video(tmp_path / "look.mp4"), strict=True)
    np.testing.assert_allclose(times, TIMES, atol=1e-4)
    assert np.ptp(pictures[1], axis=(0, 1)).max() > 60 and np.ptp(pictures[3], axis=(0, 1)).max() < 20  # nobody drawn


def test_an_odd_size_has_an_overlay(tmp_path):
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.height, stream.width, stream.pix_fmt = 33, 47, "yuv420p"
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.full((33, 47, 3), 60, np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    clip = video_poses.estimate_video(Estimator(), tmp_path / "a.webm")
    assert (clip.height, clip.width) == (33, 47)
    video_poses.write_overlay(tmp_path / "look.mp4", tmp_path / "a.webm", clip)
    assert [frame.picture.shape for frame in video_files.iter_video(tmp_path / "look.mp4")] == [(34, 48, 3)] * 3


def test_what_will_be_refused_is_refused_before_the_work(video, tmp_path, monkeypatch):
    video_poses.check_video(video)
    with pytest.raises(FileNotFoundError, match="none.mp4"):
        video_poses.check_video(tmp_path / "none.mp4")
    video_files.write_video(tmp_path / "b.mp4", np.zeros((4, 32, 64, 3), np.uint8), 1, times=3 * np.arange(4))
    with pytest.raises(ValueError, match="b.mp4: 4 frames in 9.0 s, by its times .*no dance"):
        video_poses.check_video(tmp_path / "b.mp4")
    monkeypatch.setattr(frame_times, "_LONGEST", 8)
    with pytest.raises(ValueError, match="b.mp4: the clip lasts 9 s"):
        video_poses.check_video(tmp_path / "b.mp4")


def test_a_damaged_video_is_told_of_once_and_counted(video, tmp_path, monkeypatch, caplog):
    frames = list(video_files.iter_video(video))

    def cut(path, tell):
        yield from frames[:4]
        tell(video_files.Trouble("cut", 2))

    monkeypatch.setattr(video_poses.video_files, "iter_video", cut)
    clip = video_poses.estimate_video(Estimator(), video)
    monkeypatch.undo()
    assert (len(clip.poses), clip.lost) == (4, 2)
    assert [record.message for record in caplog.records] == ["cut"]
