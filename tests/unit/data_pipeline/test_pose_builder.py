import json

import numpy as np
import pytest

from data_pipeline import loaders, pose_builder, poses, sources
from data_pipeline.pose_files import save_clip, save_poses
from data_pipeline.pose_formats import Clip


def _file(path, frames=40, seed=0):
    """Someone in the middle of a 320 x 240 picture, of which the crop keeps columns 91 to 228 (183 wide)."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform((120, 40), (200, 200), size=(frames, 60, 2))
    save_poses(path, np.concatenate([xy, np.ones((frames, 60, 1))], axis=-1).astype(np.float32), 30, 240, 320)
    return str(path)


def test_the_last_frames_of_every_file_are_the_test_split(tmp_path):
    files = [_file(tmp_path / f"{name}.npz", seed=seed) for seed, name in enumerate("ab")]
    folder = pose_builder.prepare(str(tmp_path / "data"), files, 0.25)
    whole = {name: pose_builder.read(file) for name, file in zip("ab", files, strict=True)}
    for split, part in (("train", slice(0, 30)), ("test", slice(30, 40))):
        source = sources.from_directory(folder, split, ("poses",))
        found = {source[i]["id"]: source[i]["poses"] for i in range(len(source))}
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
    found = pose_builder.read(file)
    np.testing.assert_allclose(found[..., 0], (pixels[..., 0] - (x0 + x1) / 2) / 120, atol=1e-5)
    np.testing.assert_allclose(found[..., 1], (pixels[..., 1] - 120) / 120, atol=1e-5)


def test_other_content_or_share_is_another_data_set(tmp_path):
    def name(file, held_out=0.2):
        return pose_builder.PoseFilesConfig(files=(file,), held_out=held_out).name

    file = _file(tmp_path / "a.npz")
    first = name(file)
    assert name(file, 0.3) != first and name(file + ":240x320:25") != first
    _file(tmp_path / "a.npz", seed=5)
    assert name(file) != first


def test_the_fingerprint_follows_the_files_content_and_not_their_folder(tmp_path):
    def made(folder, seed=0, held_out=0.2):
        folder.mkdir()
        file = _file(folder / "a.npz", seed=seed)
        return sources.fingerprint(pose_builder.prepare(str(folder / "data"), [file], held_out))

    first = made(tmp_path / "one")
    assert made(tmp_path / "two") == first
    assert len({first, made(tmp_path / "three", seed=1), made(tmp_path / "four", held_out=0.3)}) == 3


def test_what_a_file_does_not_state_can_be_given_with_its_name(tmp_path):
    keypoints = np.random.default_rng(0).uniform(50, 200, (133, 2)).tolist()
    person = {"keypoints": keypoints, "keypoint_scores": [0.9] * 133}
    path = tmp_path / "people.json"
    path.write_text(json.dumps([{"instances": [person]}] * 30))
    with pytest.raises(ValueError, match=r"people.json: does not state its height, width, fps; give it as FILE:H"):
        pose_builder.read(str(path))
    assert pose_builder.read(f"{path}:240x320:15").shape == (59, 60, 3)
    ours = _file(tmp_path / "ours.npz")
    np.testing.assert_array_equal(pose_builder.read(f"{ours}:9x9:9"), pose_builder.read(ours))  # the file knows better


def test_a_folder_is_a_file_of_its_own_content(tmp_path):
    folder = tmp_path / "dance"
    folder.mkdir()
    for i in range(12):
        body = np.random.default_rng(i).uniform((100, 50, 0.9), (200, 200, 1), (25, 3)).flatten().tolist()
        (folder / f"d_{i:012d}_keypoints.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": body}]}))
    with pytest.raises(ValueError, match=r"dance: does not state its height, width, fps; give it as FILE:H"):
        pose_builder.read(str(folder))
    given = f"{folder}/:240x320:15"
    assert pose_builder.read(given).shape == (23, 60, 3)
    made = pose_builder.prepare(str(tmp_path / "data"), [given], 0.2)
    assert sources.from_directory(made, "train", ("poses",))[0]["id"] == "dance-train"
    name = pose_builder.PoseFilesConfig(files=(given,)).name
    (folder / "d_000000000003_keypoints.json").write_text('{"people": []}')
    assert pose_builder.PoseFilesConfig(files=(given,)).name != name


def test_frames_are_taken_at_their_times(tmp_path):
    times = np.array([0, 0.1, 0.15, 0.55, 0.7])
    poses_ = np.random.default_rng(0).uniform((100, 50, 1), (200, 200, 1), (5, 60, 3))
    save_clip(tmp_path / "a.npz", Clip(poses_, 240, 320, times))
    found = pose_builder.read(str(tmp_path / "a.npz"))
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
                pose_builder.prepare(str(tmp_path / "data"), [str(tmp_path / "a.npz")], 0.2)
        else:
            assert len(pose_builder.read(str(tmp_path / "a.npz"))) == 40
    assert not (tmp_path / "data").exists()


def test_bad_input_is_refused_before_anything_is_written(tmp_path):
    file = _file(tmp_path / "a.npz")
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"broken.npz: not a readable .npz"):
        pose_builder.prepare(str(tmp_path / "data"), [file, str(broken)], 0.2)
    with pytest.raises(ValueError, match=r"held_out: 1.5"):
        pose_builder.prepare(str(tmp_path / "data"), [file], 1.5)
    with pytest.raises(ValueError, match="a.npz:0x4:30: FILE:HEIGHTxWIDTH:FPS must be positive"):
        pose_builder.prepare(str(tmp_path / "data"), [f"{file}:0x4:30"], 0.2)
    nobody = tmp_path / "nobody.npz"
    save_poses(nobody, np.zeros((9, 60, 3), np.float32), 30, 240, 320)
    with pytest.raises(ValueError, match="nobody.npz: poses: no joint has a confidence"):
        pose_builder.prepare(str(tmp_path / "data"), [str(nobody)], 0.2)
    with pytest.raises(ValueError, match="a.npz: 40 frames at 30 fps leave none for test"):
        pose_builder.prepare(str(tmp_path / "data"), [file], 0.001)
    with pytest.raises(FileNotFoundError, match="no data set here"):
        sources.find(str(tmp_path / "data"))
