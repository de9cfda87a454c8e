import csv
import json

import numpy as np
import pytest

from data_pipeline import loaders, poses, sources
from data_pipeline.pose_files import save_clip, save_poses
from data_pipeline.pose_formats import Clip
from data_pipeline.preparation import pose_clips
from tests import data_sets


def _file(path, frames=40, seed=0):
    """Someone in the middle of a 320 x 240 picture, of which the crop keeps columns 91 to 228 (183 wide)."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform((120, 40), (200, 200), size=(frames, 60, 2))
    save_poses(path, np.concatenate([xy, np.ones((frames, 60, 1))], axis=-1).astype(np.float32), 30, 240, 320)
    return str(path)


def read(file: str) -> np.ndarray:
    """Poses of a pose file as they lie in a data set."""
    path, stated = pose_clips.parse(str(file))
    nothing = {"height": 0, "width": 0, "fps": 0}
    return pose_clips.cropped(file, pose_clips.load(pose_clips.Job("a", path, stated, nothing)))


def test_the_last_frames_of_every_file_are_the_test_split(tmp_path):
    files = [_file(tmp_path / f"{name}.npz", seed=seed) for seed, name in enumerate("ab")]
    folder = data_sets.poses(str(tmp_path / "data"), files, 0.25)
    whole = {name: read(file) for name, file in zip("ab", files, strict=True)}
    for split, part in (("train", slice(0, 30)), ("test", slice(30, 40))):
        clips = sources.from_directory(folder, split, ("poses",))
        found = {clip.id: clip.poses(0, clip.frames) for clip in (clips[i] for i in range(len(clips)))}
        assert set(found) == {f"a-{split}", f"b-{split}"}
        for name, expected in whole.items():
            np.testing.assert_array_equal(found[f"{name}-{split}"], expected[part])
        for shuffle in (True, False):  # training and evaluation
            batch = next(loaders.tokenizer(folder, split, 2, length=part.stop - part.start, shuffle=shuffle))["poses"]
            wanted = sorted(expected[part].tobytes() for expected in whole.values())
            assert sorted(clip.tobytes() for clip in batch) == wanted


def test_poses_are_cropped_and_in_record_coordinates(tmp_path):
    file = _file(tmp_path / "a.npz")
    with np.load(file) as data:
        pixels = data["poses"]
    x0, _, x1, _ = poses.crop_box(pixels, 240, 320)
    assert x1 - x0 == round(240 / (896 / 512))
    found = read(file)
    np.testing.assert_allclose(found[..., 0], (pixels[..., 0] - (x0 + x1) / 2) / 120, atol=1e-5)
    np.testing.assert_allclose(found[..., 1], (pixels[..., 1] - 120) / 120, atol=1e-5)


def test_the_fingerprint_follows_the_files_content_and_not_their_folder(tmp_path):
    def made(folder, seed=0, held_out=0.2):
        folder.mkdir()
        file = _file(folder / "a.npz", seed=seed)
        return sources.fingerprint(data_sets.poses(str(folder / "data"), [file], held_out))

    first = made(tmp_path / "one")
    assert made(tmp_path / "two") == first
    assert len({first, made(tmp_path / "three", seed=1), made(tmp_path / "four", held_out=0.3)}) == 3


def test_what_a_file_does_not_state_can_be_given_with_its_name(tmp_path):
    keypoints = np.random.default_rng(0).uniform(50, 200, (133, 2)).tolist()
    person = {"keypoints": keypoints, "keypoint_scores": [0.9] * 133}
    path = tmp_path / "people.json"
    path.write_text(json.dumps([{"instances": [person]}] * 30))
    with pytest.raises(ValueError, match=r"people.json: does not state its height, width, fps; name it as FILE:H"):
        read(str(path))
    assert read(f"{path}:240x320:15").shape == (59, 60, 3)
    ours = _file(tmp_path / "ours.npz")
    np.testing.assert_array_equal(read(f"{ours}:9x9:9"), read(ours))  # the file knows better


def test_a_folder_is_a_file_of_its_own_content(tmp_path):
    folder = tmp_path / "dance"
    folder.mkdir()
    for i in range(12):
        body = np.random.default_rng(i).uniform((100, 50, 0.9), (200, 200, 1), (25, 3)).flatten().tolist()
        (folder / f"d_{i:012d}_keypoints.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": body}]}))
    with pytest.raises(ValueError, match=r"dance: does not state its height, width, fps; name it as FILE:H"):
        read(str(folder))
    given = f"{folder}/:240x320:15"
    assert read(given).shape == (23, 60, 3)
    made = data_sets.poses(str(tmp_path / "data"), [given], 0.2)
    assert sources.from_directory(made, "train", ("poses",))[0].id == "dance-train"
    first = sources.fingerprint(made)
    (folder / "d_000000000003_keypoints.json").write_text('{"people": []}')
    assert sources.fingerprint(data_sets.poses(tmp_path / "again", [given], 0.2)) != first


def test_frames_are_taken_at_their_times(tmp_path):
    times = np.array([0, 0.1, 0.15, 0.55, 0.7])
    poses_ = np.random.default_rng(0).uniform((100, 50, 1), (200, 200, 1), (5, 60, 3))
    save_clip(tmp_path / "a.npz", Clip(poses_, 240, 320, times))
    found = read(str(tmp_path / "a.npz"))
    assert found.shape == (22, 60, 3)
    expected = np.interp(np.arange(22) / 30, times, poses_[:, 7, 1])
    np.testing.assert_allclose(found[:, 7, 1], expected / 120 - 1, atol=1e-5)


def test_a_video_that_was_cut_off_is_no_data(tmp_path):
    with np.load(_file(tmp_path / "a.npz")) as data:
        whole = dict(data)
    for lost, refused in ((2, False), (3, True)):  # of 42 and 43
        np.savez(tmp_path / "a.npz", **whole, lost=lost)
        if refused:
            with pytest.raises(ValueError, match="a.npz: its video was cut off .*, 40 of 43 frames .* needs 95%"):
                read(str(tmp_path / "a.npz"))
        else:
            assert len(read(str(tmp_path / "a.npz"))) == 40


def test_bad_files_are_rejects_and_the_others_make_the_set(tmp_path):
    file, broken, nobody = _file(tmp_path / "a.npz"), tmp_path / "broken.npz", tmp_path / "nobody.npz"
    broken.write_bytes(b"PK")
    save_poses(nobody, np.zeros((9, 60, 3), np.float32), 30, 240, 320)
    made = data_sets.poses(tmp_path / "data", [file, broken, nobody], 0.2)
    assert len(sources.from_directory(made, "train", ("poses",))) == 1
    _, *rows = csv.reader((tmp_path / "data" / "poses.report" / "rejects.csv").read_text().splitlines())
    told = {row[0]: row[3] for row in rows}
    assert set(told) == {"broken", "nobody"} and "broken.npz: not a readable .npz" in told["broken"]
    assert "nobody.npz: poses: no joint has a confidence" in told["nobody"]


def test_a_set_without_any_clip_is_none(tmp_path):
    file = _file(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="no clip is left .* 1 failed, the first: .*a.npz: 40 frames at 30 fps leave"):
        data_sets.poses(tmp_path / "data", [file], 0.001)
    with pytest.raises(FileNotFoundError, match="no data set here"):
        sources.find(str(tmp_path / "data"))
    assert (tmp_path / "data" / "poses.report" / "rejects.csv").exists()


def test_misuse_is_named(tmp_path):
    file = _file(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"config.poses.held_out=1.5: must be in \[0, 1\)"):
        data_sets.poses(tmp_path / "data", [file], 1.5)
    with pytest.raises(ValueError, match="a.npz:0x4:30: FILE:HEIGHTxWIDTH:FPS must be positive"):
        data_sets.poses(tmp_path / "data", [f"{file}:0x4:30"], 0.2)


def test_without_held_out_frames_a_hash_of_the_files_names_divides(tmp_path):
    files = [_file(tmp_path / f"{number}.npz", seed=number) for number in range(12)]
    made = data_sets.poses(tmp_path / "data", files, 0.0)
    counts = [len(sources.from_directory(made, split, ("poses",))) for split in ("train", "test")]
    assert sum(counts) == 12 and min(counts) > 0


@pytest.mark.parametrize("joint", [(np.nan, 5, 1), (5, np.inf, 1), (5, 5, np.nan), (-np.inf, np.nan, np.nan)])
def test_joints_without_a_number_are_unseen_and_the_rest_is_as_it_was(tmp_path, joint):
    with np.load(_file(tmp_path / "a.npz")) as data:
        stored = dict(data)
    clean = read(str(tmp_path / "a.npz"))
    stored["poses"][7:9, 3] = joint
    np.savez(tmp_path / "a.npz", **stored)
    found = read(str(tmp_path / "a.npz"))
    assert np.isfinite(found).all() and (found[7:9, 3, 2] == 0).all()
    changed = (found != clean).any(axis=-1)
    assert set(np.flatnonzero(changed.any(axis=0))) == {3} and set(np.flatnonzero(changed.any(axis=1))) == {7, 8}


def test_a_file_of_nothing_but_nan_is_a_reject(tmp_path):
    good, bad = _file(tmp_path / "a.npz"), tmp_path / "b.npz"
    np.savez(bad, poses=np.full((9, 60, 3), np.nan, np.float32), height=240, width=320, fps=30)
    made = data_sets.poses(tmp_path / "data", [good, bad])
    assert len(sources.from_directory(made, "train", ("poses",))) == 1
    assert "b.npz: poses: no joint has a confidence" in (tmp_path / "data/poses.report/rejects.csv").read_text()
