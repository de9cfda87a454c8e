"""Each layout as its program writes it, read by pose_files.load_poses."""

import json

import numpy as np
import pytest

from data_pipeline import pose_layouts
from data_pipeline.pose_files import load_poses
from data_pipeline.skeleton import INDEX

HEIGHT, WIDTH = 300, 400
NECK, KNEE = INDEX["neck"], INDEX["left_knee"]


def _rows(count, shift=0.0):
    """Joint i lies at (50 + i + shift, 60 + i), with score 0.9."""
    i = np.arange(count)
    return np.stack([50 + i + shift, 60 + i, np.full(count, 0.9)], axis=1)


def _coco(count=133, shift=0.0):
    rows = _rows(count, shift)
    return {"keypoints": rows[:, :2].tolist(), "keypoint_scores": rows[:, 2].tolist(), "bbox": [[0, 0, 9, 9]]}


def _openpose(body=25, shift=0.0, hands=True, scale=(1, 1)):
    def flat(count):
        return (_rows(count, shift) * (*scale, 1)).flatten().tolist()

    person = {"person_id": [-1], "pose_keypoints_2d": flat(body), "face_keypoints_2d": flat(70)}
    return person | ({f"hand_{side}_keypoints_2d": flat(21) for side in ("left", "right")} if hands else {})


def _write(path, content, encoding="utf-8"):
    path.write_text(json.dumps(content), encoding=encoding)
    return path


def _load(path):
    return load_poses(path, HEIGHT, WIDTH, 25)


DWPOSE = [
    {"people": [_openpose(18, shift)], "animals": [], "canvas_height": HEIGHT, "canvas_width": WIDTH}
    for shift in (0, 1, 2)
]
SHARES = [
    {"people": [_openpose(18, shift, scale=(1 / WIDTH, 1 / HEIGHT))], "canvas_height": HEIGHT, "canvas_width": WIDTH}
    for shift in (0, 1, 2)
]
COCO = [{"frame_id": i, "instances": [_coco(shift=i)]} for i in range(3)]
LAYOUTS = {
    "coco-wholebody": (COCO, 5.5), "coco": ([{"instances": [_coco(17, i)]} for i in range(3)], 5.5),
    "mmpose": ({"meta_info": {"dataset_name": "coco_wholebody"}, "instance_info": COCO}, 5.5),
    "dwpose": (DWPOSE, 1), "shares of the canvas": (SHARES, 1),
    "dwpose without hands": ([{"people": [_openpose(18, i, hands=False)]} for i in range(3)], 1),
    "openpose in one file": ([{"version": 1.3, "people": [_openpose(25, i)]} for i in range(3)], 1),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_json_of_every_layout(tmp_path, name, encoding):
    content, neck = LAYOUTS[name]
    clip = _load(_write(tmp_path / "a,b.JSON", content, encoding))
    assert (clip.height, clip.width) == (HEIGHT, WIDTH)
    np.testing.assert_allclose(clip.times, [0, 0.04, 0.08])
    np.testing.assert_allclose(clip.poses[:, NECK, :2], [[50 + neck + i, 60 + neck] for i in range(3)], rtol=1e-5)
    assert np.isfinite(clip.poses).all() and (clip.poses[:, NECK, 2] == np.float32(0.9)).all()


def test_a_joint_far_outside_does_not_make_shares_pixels(tmp_path):
    shares = json.loads(json.dumps(SHARES))
    shares[1]["people"][0]["pose_keypoints_2d"][30:32] = 3.5, 9.0
    clip = _load(_write(tmp_path / "a.json", shares))
    np.testing.assert_allclose(clip.poses[:, NECK, :2], [[51 + i, 61] for i in range(3)], rtol=1e-5)


def test_one_picture_is_one_frame(tmp_path):
    one = _load(_write(tmp_path / "a.json", {"meta_info": {}, "instance_info": [_coco()]}))
    two = _load(_write(tmp_path / "b.json", {"version": 1.3, "people": [_openpose()]}))
    assert one.poses.shape == two.poses.shape == (1, 60, 3)


def test_a_canvas_states_the_frame_size(tmp_path):
    path = _write(tmp_path / "a.json", DWPOSE)
    assert load_poses(path, 1, 1, 25).height == HEIGHT
    with pytest.raises(ValueError, match="a.json: does not state its fps"):
        load_poses(path)
    with pytest.raises(ValueError, match="of several canvas sizes"):
        load_poses(_write(tmp_path / "b.json", [DWPOSE[0], DWPOSE[1] | {"canvas_width": 9}]), fps=25)
    with pytest.raises(ValueError, match="height -300 must be positive"):
        load_poses(_write(tmp_path / "c.json", [DWPOSE[0] | {"canvas_height": -300}]), fps=25)


def test_a_folder_of_openpose(tmp_path, caplog):
    for frame in (9, 10, 11, 12):
        people = [] if frame == 11 else [_openpose(shift=frame)]
        _write(tmp_path / f"v2_{frame}_keypoints.json", {"version": 1.3, "people": people})
    (tmp_path / "readme.txt").write_text("")
    (tmp_path / "._v2_10_keypoints.json").write_bytes(b"\0")  # as a Mac leaves beside each file
    clip = _load(tmp_path)
    np.testing.assert_allclose(clip.poses[:, NECK, 0], [60, 61, 62, 63])  # 10 after 9; the empty one between its two
    assert not clip.poses[2, :, 2].any()
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}: 1 of 4 frames show nobody, the first of them frame 2; a body that counts as unseen stands in"
    ]


def test_a_folder_goes_by_the_numbers_of_its_frames(tmp_path):
    for frame in (3, 4, 7):
        _write(tmp_path / f"{frame}.json", {"people": [_openpose()]})
    np.testing.assert_allclose(_load(tmp_path).times, [0, 0.04, 0.16])
    _write(tmp_path / "other_4.json", {"people": [_openpose()]})
    with pytest.raises(ValueError, match="two of its .json files have one frame number"):
        _load(tmp_path)
    (tmp_path / "other_4.json").rename(tmp_path / f"{10**200}.json")
    with pytest.raises(ValueError, match="names of its .json files is no frame's"):
        _load(tmp_path)


def test_a_folder_that_is_none_of_openpose_says_why(tmp_path):
    with pytest.raises(ValueError, match="a folder without .json files; known are: our .npz"):
        _load(tmp_path)
    (tmp_path / "f_1.json").write_text('{"people": [')
    with pytest.raises(ValueError, match="not a pose file of a known layout .f_1.json: Expecting value"):
        _load(tmp_path)


def test_frames_go_by_their_ids_where_these_increase(tmp_path):
    frames = [{"frame_id": i, "instances": [_coco()]} for i in (4, 6, 7)]
    np.testing.assert_allclose(_load(_write(tmp_path / "a.json", frames)).times, [0, 0.08, 0.12])
    for other in (0, None, "7", 10**400):
        frames[2]["frame_id"] = other
        np.testing.assert_allclose(_load(_write(tmp_path / "a.json", frames)).times, [0, 0.04, 0.08])


@pytest.mark.parametrize("place", [[0, 0], [-1, -1], [float("nan")] * 2, [None, None], None])
@pytest.mark.parametrize("score", [0, 0.9, None, float("nan"), -1])
def test_an_unseen_joint_is_unseen_however_it_is_written(tmp_path, place, score):
    frames = [{"instances": [_coco()]} for _ in range(3)]
    frames[1]["instances"][0]["keypoints"][13] = place  # COCO's left knee
    frames[1]["instances"][0]["keypoint_scores"][13] = score
    clip = _load(_write(tmp_path / "a.json", frames))
    assert clip.poses[1, KNEE, 2] == 0
    np.testing.assert_allclose(clip.poses[1, KNEE, :2], clip.poses[0, KNEE, :2], rtol=1e-6)
    seen = np.delete(clip.poses[1], KNEE, axis=0)
    np.testing.assert_array_equal(seen, np.delete(clip.poses[0], KNEE, axis=0))


@pytest.mark.parametrize("empty", [{"people": []}, {"people": None}, {"people": [{}]},
                                   {"people": [{"pose_keypoints_2d": [0.0] * 75}]}])  # fmt: skip
def test_frames_without_people_are_counted(tmp_path, caplog, empty):
    frames = [{"people": [_openpose(shift=0)]}, empty, empty, {"people": [_openpose(shift=3)]}]
    clip = _load(_write(tmp_path / "a.json", frames))
    np.testing.assert_allclose(clip.poses[:, NECK, 0], [51, 52, 53, 54])
    assert not clip.poses[1:3, :, 2].any() and "2 of 4 frames show nobody" in caplog.text


def test_arrays_of_openpose_with_several_people(tmp_path):
    keypoints = np.stack([np.stack([_rows(137, 10 * person + t) for person in range(2)]) for t in range(6)])
    keypoints[:, 1, :, :2] += 250
    keypoints[::2, 1, :, 2], keypoints[1::2, 1, :, 2] = 0.95, 0.1  # the better score of every second frame
    keypoints[3, 0] = np.nan
    with (tmp_path / "a.NPZ").open("wb") as file:
        np.savez(file, xy=keypoints[..., :2], confidence=keypoints[..., 2], fps=24, wh=[WIDTH, HEIGHT])
    clip = load_poses(tmp_path / "a.NPZ")
    steps = np.diff(clip.poses[:, NECK, 0])
    np.testing.assert_allclose(steps, 1, atol=1e-4)
    assert clip.times[1] == pytest.approx(1 / 24) and not clip.poses[3, :, 2].any()


def test_mediapipes_arrays_may_hold_frames_without_anybody(tmp_path):
    pose = np.concatenate([_rows(33)[:, :2], np.full((33, 3), 0.5)], axis=1)[None].repeat(4, axis=0)
    hand = _rows(21)[None].repeat(4, axis=0)
    pose[2], hand[1] = np.nan, 0
    np.savez(tmp_path / "a.npz", pose=pose, lh=hand, rh=hand, fps=24, wh=[WIDTH, HEIGHT])
    poses = load_poses(tmp_path / "a.npz").poses
    assert poses[0, NECK, 2] == 0.25 and poses[2, NECK, 2] == 0
    np.testing.assert_allclose(poses[2, NECK], (61.5, 71.5, 0))
    assert not poses[1, 18:, 2].any() and (poses[1, 18:, :2] > 40).all()


BAD = {
    "[[[": "Expecting value", "5": "known are", "{}": "known are", '[{"a": 1}]': "known are", "null": "known are",
    '{"people": 5}': 'a list "people"', '[{"people": [5]}]': '"people" must be a list of objects',
    '[{"instances": [{"keypoints": []}]}]': 'expected instances with "keypoints" and',
    '[{"instances": [{"keypoints": [[1, 2]], "keypoint_scores": [1]}]}]': r"133 or 17 keypoints.*got \(1, 2\)",
    '[{"instances": [{"keypoints": [[1, 2], [1]], "keypoint_scores": [1]}]}]': "",
    '[{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}]': '"pose_keypoints_2d": expected 25 or 18 times',
    '[{"people": [{"pose_keypoints_2d": "abc"}]}]': "", '[{"people": [{"pose_keypoints_2d": {"a": 1}}]}]': "",
    '[{"people": [], "canvas_width": [1], "canvas_height": 2}]': "", "[" * 100_000: "", "\0\1\2\3": "",
    '[{"instances": [{"keypoints": [[1' + "0" * 400 + ', 1]], "keypoint_scores": [1]}]}]': "",
    '{"instance_info": 3}': "known are",
}  # fmt: skip


@pytest.mark.parametrize("content", BAD, ids=range(len(BAD)))
def test_a_file_of_no_layout_is_one_line_that_names_it(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=f"a.json: not a pose file of a known layout .*{BAD[content]}") as error:
        _load(tmp_path / "a.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pose": np.zeros((2, 33, 5)), "lh": np.zeros((2, 21, 3))}, "without rh; it holds pose, lh; known are"),
        ({"xy": np.zeros((2, 1, 137, 2))}, "without confidence; it holds xy"),
        ({"xy": np.zeros((2, 1, 16, 2)), "confidence": np.zeros((2, 1, 16))}, "xy: expected .any, any, N, 2. with"),
        ({"pose": np.zeros((2, 33, 5)), "lh": np.zeros((2, 21, 3)), "rh": np.zeros((1, 21, 3))}, "rh: expected .2, 21"),
        ({"pose": np.zeros(3), "lh": np.zeros(3), "rh": np.zeros(3)}, ""),
        ({"xy": np.array(["a"]), "confidence": np.zeros(1)}, "xy: no numbers"),
    ],
)  # fmt: skip
def test_arrays_of_no_layout_are_one_line(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=f"a.npz: not a pose file of a known layout .{message}") as error:
        _load(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_all_that_is_known_is_in_the_refusal(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError) as error:
        _load(tmp_path / "a.txt")
    assert str(error.value) == f"{tmp_path}/a.txt: not a pose file, by its suffix; known are: {pose_layouts.KNOWN}"
    for name in ("MediaPipe", "OpenPose-18", "COCO-WholeBody", "MMPose", "DWPose", "a folder of OpenPose", ".bvh"):
        assert name in pose_layouts.KNOWN


def test_a_file_without_frames_says_so(tmp_path):
    with pytest.raises(ValueError, match="a.json: holds no frames"):
        _load(_write(tmp_path / "a.json", []))
