"""Small files that people have, each of which broke the software once: $XDANCER_SAMPLE_DATA/cases, with what must come
out of each. A file stands for a kind; the kinds have tests of their own beside this one."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import pose_files, poses, video_files
from data_pipeline.frame_times import constant_fps
from data_pipeline.preparation import pose_clips
from data_pipeline.skeleton import INDEX


@pytest.fixture(scope="module")
def cases():
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to a folder of sample data to run on awkward files")
    folder = Path(os.environ["XDANCER_SAMPLE_DATA"]) / "cases"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.mark.parametrize(
    ("name", "frames", "size", "fps", "at_30"),
    [
        ("browser_recording.webm", 50, (360, 640), None, 64),
        ("trimmed_edit_list.mp4", 50, (270, 480), 25, 59),
        ("odd_size.webm", 25, (227, 405), 25, 29),
        ("anamorphic.mp4", 25, (360, 640), 25, 29),
        ("rotated90.mp4", 25, (270, 480), 25, 29),
    ],
)
def test_videos(cases, name, frames, size, fps, at_30, caplog, tmp_path):
    times, pictures = zip(*video_files.iter_video(cases / name), strict=True)
    assert len(times) == frames and {picture.shape for picture in pictures} == {(*size, 3)}
    assert constant_fps(np.array(times)) == fps and not caplog.records
    assert len(poses.resample(np.zeros((frames, 60, 3)), np.array(times))) == at_30
    video_files.write_video(tmp_path / "a.mp4", map(video_files.even, pictures), 25, times=times)
    again = [frame.seconds for frame in video_files.iter_video(tmp_path / "a.mp4")]
    np.testing.assert_allclose(again, times, atol=1e-4)


def test_a_browsers_recording_lasts_as_long_as_it_lasted(cases):
    times = np.array([frame.seconds for frame in video_files.iter_video(cases / "browser_recording.webm")])
    assert times[-1] == pytest.approx(2.13) and 49 / times[-1] == pytest.approx(23, abs=0.1)


@pytest.mark.parametrize(
    ("name", "frames", "empty"),
    [
        ("openpose_folder", 12, [7, 8]),
        ("mmpose_demo.json", 15, []),
        ("nan_unseen_joint.json", 15, []),
        ("empty_frames.json", 15, [5, 6, 7]),
        ("bom.json", 15, []),
    ],
)
def test_poses(cases, name, frames, empty, caplog):
    clip = pose_files.load_poses(cases / name, 288, 300, 24)
    assert clip.poses.shape == (frames, 60, 3)
    np.testing.assert_allclose(clip.times, np.arange(frames) / 24)
    assert np.flatnonzero(~clip.poses[..., 2].any(axis=1)).tolist() == empty
    told = [record.message for record in caplog.records]
    assert len(told) == bool(empty) and all(f": {len(empty)} of {frames} frames show nobody" in line for line in told)
    necks = clip.poses[:, INDEX["neck"], :2]
    assert np.linalg.norm(np.diff(necks, axis=0), axis=-1).max() < 3  # no body at the corner, no jump to another
    assert np.isfinite(clip.poses).all() and np.linalg.norm(clip.poses[..., :2], axis=-1).min() > 30
    made = pose_clips.cropped(name, clip)
    assert len(made) == (frames - 1) * 30 // 24 + 1


def test_only_the_joint_without_a_place_is_unseen(cases):
    clip, whole = (pose_files.load_poses(cases / name, 288, 300, 24) for name in ("nan_unseen_joint.json", "bom.json"))
    changed = np.argwhere((clip.poses != whole.poses).any(axis=-1))
    [[frame, joint]] = changed
    assert clip.poses[frame, joint, 2] == 0
    assert np.linalg.norm(clip.poses[frame, joint, :2] - whole.poses[frame, joint, :2]) < 5
