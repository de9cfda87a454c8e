"""Arrays as others keep them: a known person is laid out their way and must come back."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import holistic, openpose_arrays
from data_pipeline.pose_files import load_poses
from data_pipeline.pose_formats import BODY25, COCO_BODY, MEDIAPIPE_BODY
from data_pipeline.skeleton import BODY_JOINTS, INDEX, LEFT_HAND_START, NUM_JOINTS, RIGHT_HAND_START

HEIGHT, WIDTH, FRAMES = 300, 400, 4
NECK = INDEX["neck"]


def _person(shift=0.0, score=0.8):
    """(F, 60, 3): a body whose hands lie around its wrists and whose neck is the middle of its shoulders."""
    rng = np.random.default_rng(3)
    pose = np.concatenate([rng.uniform(60, 240, (NUM_JOINTS, 2)), np.full((NUM_JOINTS, 1), score)], axis=1)
    for side, start in (("left", LEFT_HAND_START), ("right", RIGHT_HAND_START)):
        pose[start : start + 21, :2] = pose[INDEX[f"{side}_wrist"], :2] + rng.uniform(-12, 12, (21, 2))
        pose[start, :2] = pose[INDEX[f"{side}_wrist"], :2]
    pose[NECK] = (pose[INDEX["left_shoulder"]] + pose[INDEX["right_shoulder"]]) / 2
    clip = np.repeat(pose[None], FRAMES, axis=0)
    clip[..., 0] += shift + np.arange(FRAMES)[:, None]
    return clip


def _fill(count):
    """Joints that we have not, elsewhere."""
    return np.tile(np.array((5.0, 290.0, 0.9)), (FRAMES, count, 1))


def _split(pose):
    return pose[:, :18], pose[:, 18:39], pose[:, 39:]


def _openpose(count, pose, other=False):
    body, left, right = _split(pose)
    big = np.concatenate([_fill(25)], axis=1)
    big[:, BODY25] = body
    if count in (18, 25):
        return body if count == 18 else big
    if count == 134:
        return np.concatenate([body, _fill(6 + 68), left, right], axis=1)
    if count == 135 and not other:
        coco = _fill(25)
        for name, i in COCO_BODY.items():
            coco[:, i] = pose[:, INDEX[name]]
        return np.concatenate([coco, left[:, 1:], right[:, 1:], _fill(70)], axis=1)
    if count == 137 and not other:
        return np.concatenate([big, _fill(70), left, right], axis=1)
    return np.concatenate([big, left, right, _fill(count - 67)], axis=1)


def _whole(pose):
    _, left, right = _split(pose)
    coco = _fill(91)
    for name, i in COCO_BODY.items():
        coco[:, i] = pose[:, INDEX[name]]
    return np.concatenate([coco, left, right], axis=1)


def _holistic(pose, face=468, scale=(WIDTH, HEIGHT)):
    """x, y in shares, z, visibility."""
    _, left, right = _split(pose)
    body = _fill(33)
    for name, i in MEDIAPIPE_BODY.items():
        body[:, i] = pose[:, INDEX[name]]
    rows = np.concatenate([body, _fill(face), left, right], axis=1)
    return np.concatenate([rows[..., :2] / scale, np.full((*rows.shape[:2], 1), 0.1), rows[..., 2:]], axis=-1)


def _load(path):
    return load_poses(path, HEIGHT, WIDTH, 25)


def _check(clip, wanted, joints=slice(None), score=True):
    np.testing.assert_allclose(clip.poses[:, joints, :2], wanted[:, joints, :2], rtol=1e-5, atol=1e-3)
    if score:
        np.testing.assert_allclose(clip.poses[:, joints, 2], wanted[:, joints, 2], rtol=1e-5)


ORDERS = [(18, False), (25, False), (134, False), (135, False), (135, True), (137, False), (137, True)]


@pytest.mark.parametrize(("count", "other"), ORDERS)
def test_openposes_numbers_of_joints(tmp_path, count, other):
    pose = _person()
    np.save(tmp_path / "a.npy", _openpose(count, pose, other))
    joints = slice(0, 18) if count < 100 else slice(None)
    _check(_load(tmp_path / "a.npy"), pose, joints)
    rows = _openpose(count, pose, other)
    np.savez(tmp_path / "a.npz", keypoints=rows[..., :2], scores=rows[..., 2], fps=24, wh=[WIDTH, HEIGHT])
    clip = load_poses(tmp_path / "a.npz")
    _check(clip, pose, joints)
    assert clip.times[1] == pytest.approx(1 / 24) and (clip.counts.several, clip.counts.nobody) == (0, 0)
    if count < 100:
        assert not clip.poses[:, 18:, 2].any()


def test_without_hands_an_order_is_still_chosen():
    rows = _openpose(137, _person()).astype(np.float32)
    rows[:, 25:] = np.nan, np.nan, 0
    np.testing.assert_allclose(openpose_arrays.from_openpose(rows)[:, :18], _person()[:, :18], rtol=1e-6)


def test_wholebody_as_keypoints_and_scores_of_several_people(tmp_path):
    pose, other = _person(), _person(260, 0.7) * (1, 0.5, 1)
    rows = np.stack([_whole(other), _whole(pose)], axis=1)
    rows[1::2] = rows[1::2, ::-1]  # the people change places in the list
    rows[2, 1] = np.nan
    np.savez(tmp_path / "a.npz", keypoints=rows[..., :2], scores=rows[..., 2])
    clip = _load(tmp_path / "a.npz")
    _check(clip._replace(poses=clip.poses[[0, 1, 3]]), pose[[0, 1, 3]])
    assert not clip.poses[2, :, 2].any() and clip.counts.several == 3 and clip.counts.nobody == 1
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"keypoints": rows[..., :2], "scores": rows[..., 2]}))
    np.testing.assert_array_equal(_load(tmp_path / "a.pkl").poses, clip.poses)


@pytest.mark.parametrize("count", holistic.COUNTS)
@pytest.mark.parametrize("columns", [3, 4, 5])
def test_holistic(tmp_path, count, columns):
    pose = _person()
    rows = _holistic(pose, 478 if count == 553 else 468)
    rows = np.concatenate([rows, np.full((FRAMES, 543 if count == 576 else count, 1), 0.5)], axis=-1)[..., :columns]
    if count == 576:
        rows = np.concatenate([rows, np.full((FRAMES, 33, columns), 0.01)], axis=1)
    rows[1, 511 if count == 553 else 501 :][:21] = 0  # a hand that was not found
    np.save(tmp_path / "a.npy", rows)
    clip = _load(tmp_path / "a.npy")
    _check(clip, pose, slice(0, 18), score=False)
    assert clip.poses[0, INDEX["left_knee"], 2] == pytest.approx({3: 1, 4: 0.8, 5: 0.4}[columns])
    _check(clip._replace(poses=clip.poses[[0, 2, 3]]), pose[[0, 2, 3]], score=False)
    assert not clip.poses[1, 18:39, 2].any() and (clip.poses[1, 39:, 2] == 1).all()


def test_holistic_in_flat_rows_and_beside_confidences(tmp_path):
    pose = _person()
    rows = _holistic(pose)
    flat = np.concatenate([rows[:, :33].reshape(FRAMES, -1), rows[:, 33:, :3].reshape(FRAMES, -1)], axis=1)
    assert flat.shape[1] == holistic.FLAT == 1662
    np.save(tmp_path / "a.npy", flat)
    clip = _load(tmp_path / "a.npy")
    _check(clip, pose, slice(0, 18))
    _check(clip, pose, score=False)
    pixels = rows[:, None, :, :3] * (WIDTH, HEIGHT, 1)  # as pose-format: pixels, people, confidence of its own
    np.savez(tmp_path / "a.npz", xy=pixels, confidence=rows[:, None, :, 3])
    _check(_load(tmp_path / "a.npz"), pose)


def _dwpose(pose, extra=None, score=None):
    """What the tools keep of a frame, of `pose` (60, 3) and somebody else."""
    people = [pose, *([] if extra is None else [extra])]
    share = (1 / WIDTH, 1 / HEIGHT)
    candidate = np.concatenate([person[:18, :2] * share for person in people])
    subset = np.arange(18.0 * len(people)).reshape(-1, 18)
    hands = np.stack([p[a : a + 21, :2] * share for a in (18, 39) for p in people])
    bodies = {"candidate": candidate, "subset": subset}
    frame = {"bodies": bodies, "hands": hands, "faces": np.zeros((len(people), 68, 2))}
    if score is not None:
        bodies["score"] = np.stack([person[:18, 2] for person in people])
        frame["hands_score"] = np.stack([p[a : a + 21, 2] for a in (18, 39) for p in people])
    return frame


def test_dwpose_as_its_tools_keep_it(tmp_path):
    pose = _person()
    frames = [_dwpose(pose[i], _person(150)[i] * (1, 0.5, 1)) for i in range(FRAMES)]
    frames[2]["bodies"]["subset"][0, 13] = -1
    frames[2]["hands"][0, 3] = -1
    frames[3] = {"bodies": {"candidate": np.zeros((0, 2)), "subset": np.zeros((0, 18))}, "hands": [], "faces": []}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(frames))
    clip = _load(tmp_path / "a.pkl")
    _check(clip._replace(poses=clip.poses[:2]), pose[:2], score=False)
    assert (clip.poses[0, :, 2] == 1).all() and (clip.counts.several, clip.counts.nobody) == (3, 1)
    assert np.flatnonzero(clip.poses[2, :, 2] == 0).tolist() == [13, 21]
    np.save(tmp_path / "a.npy", np.array(frames, dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(_load(tmp_path / "a.npy").poses, clip.poses)
    np.save(tmp_path / "one.npy", frames[0])  # a dict, as numpy pickles it
    np.testing.assert_array_equal(_load(tmp_path / "one.npy").poses[0], clip.poses[0])


def test_dwpose_as_arrays_with_scores(tmp_path):
    pose = _person()
    frames = [_dwpose(pose[i], score=True) for i in range(FRAMES)]
    arrays = {
        "candidate": [f["bodies"]["candidate"] for f in frames], "subset": [f["bodies"]["subset"] for f in frames],
        "score": [f["bodies"]["score"] for f in frames], "hands": [f["hands"] for f in frames],
        "hands_score": [f["hands_score"] for f in frames], "faces": [f["faces"] for f in frames],
    }  # fmt: skip
    np.savez(tmp_path / "a.npz", **arrays)
    _check(_load(tmp_path / "a.npz"), pose)
    arrays["subset"] = arrays.pop("score")  # scores in the place of the indices
    arrays["bodies"] = arrays.pop("candidate")
    np.savez(tmp_path / "b.npz", **arrays)
    _check(_load(tmp_path / "b.npz"), pose)


def test_odd_scores_are_counted(tmp_path):
    rows = _whole(_person())
    rows[0, 0, 2], rows[1, 5, 2], rows[1, 6, 2], rows[2, 91, 2] = 1.06, 7, np.nan, -0.5
    rows[3, 91:112] = np.nan  # a hand that is not there is not odd
    np.save(tmp_path / "a.npy", rows)
    clip = _load(tmp_path / "a.npy")
    assert clip.counts == (2, 2, 0, 0)
    assert (clip.poses[0, 0, 2], clip.poses[1, INDEX["left_shoulder"], 2], clip.poses[2, 18, 2]) == (1, 1, 0)


BAD = {
    "a.npy": [
        (np.zeros((2, 16, 3)), r"the array: expected \(any, any, N, 2\) with N one of 17, 133, 18, 25, 134, 135, 137"),
        (np.zeros((2, 17, 2)), r"\(2, 1, 17, 2\) without scores; give \(any, any, 17, 3\)"), (np.zeros(3), "got .3,."),
        (np.array(["x"]), "the array: no numbers"), (np.zeros((2, 17, 6)), "the array: expected"),
    ],
    "a.pkl": [
        (5, "known are: our .npz"), ([], ""), ({"a": 1}, "known are"), ([{"bodies": 1}, 2], "known are"),
        ([{"bodies": {"candidate": np.zeros((18, 2)), "subset": np.full((1, 18), 18)}}], 'indices 18 to 18 of 18 cand'),
        ([{"bodies": {"candidate": "x", "subset": 1}}], '"candidate": expected'),
        ([{"bodies": {"candidate": np.zeros((18, 2)), "subset": np.zeros(5)}}], '"subset": expected'),
        ([{"bodies": {"candidate": np.ones((18, 2))}, "hands": np.zeros((3, 21, 2))}], '"hands": expected .2, 21, 2.'),
        ({"keypoints": np.zeros((2, 17, 2)), "scores": np.zeros((2, 16))}, "scores: expected"),
        ({"keypoints2d": np.zeros((8, 2, 17, 3))}, "keypoints2d: expected .9, any, 17, 3."),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), [(n, *entry) for n, rows in BAD.items() for entry in rows])
def test_arrays_of_no_layout_are_one_line_that_names_the_file(tmp_path, name, content, message):
    if name == "a.npy":
        np.save(tmp_path / name, content)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=f"{name}: .*{message}") as error:
        _load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_pickle_that_would_do_something_is_refused(tmp_path):
    class Bad:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/pwned",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps([Bad()]))
    np.save(tmp_path / "a.npy", np.array([Bad()], dtype=object), allow_pickle=True)
    for name in ("a.pkl", "a.npy"):
        with pytest.raises(ValueError, match=f"{name}: not a pickle .*asks for posix.system, which is refused"):
            _load(tmp_path / name)
    assert not (tmp_path / "pwned").exists()
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:9])
    with pytest.raises(ValueError, match="b.npy: not a readable .npy file"):
        _load(tmp_path / "b.npy")


def test_dwpose_arrays_must_be_of_as_many_frames(tmp_path):
    np.savez(tmp_path / "a.npz", candidate=np.ones((3, 18, 2)), hands=np.ones((2, 2, 21, 2)))
    with pytest.raises(ValueError, match="candidate, hands: of 2, 3 frames; they must be alike"):
        _load(tmp_path / "a.npz")


def test_aists_detections_are_those_of_the_front_camera(tmp_path):
    rows = _whole(_person())[:, :17]
    cameras = np.repeat(rows[None], 9, axis=0)
    cameras[1:, ..., 0] += 300
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"keypoints2d": cameras, "det_scores": np.ones((9, FRAMES))}))
    clip = load_poses(tmp_path / "a.pkl")
    assert (clip.height, clip.width) == (1080, 1920) and clip.times[1] == pytest.approx(1 / 60)
    _check(clip, _person(), slice(0, 18))


@pytest.fixture
def signing() -> Path:
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    return Path(os.environ["XDANCER_SAMPLE_DATA"]) / "poses" / "openpose137.npz"


def test_a_real_signer_is_the_same_in_every_order(tmp_path, signing):
    """OpenPose over a real clip, laid out anew in the other orders."""
    with np.load(signing) as known:
        rows = np.concatenate([known["xy"], known["confidence"][..., None]], axis=-1)[:, 0]
        stated = {"fps": known["fps"], "wh": known["wh"]}
    wanted = load_poses(signing)
    body, face, left, right = rows[:, :25], rows[:, 25:95], rows[:, 95:116], rows[:, 116:]
    orders = {
        137: [body, left, right, face], 135: [body, left, right, face[:, :68]],
        134: [body[:, BODY25], body[:, 19:], face[:, :68], left, right],
    }  # fmt: skip
    for count, parts in orders.items():
        laid = np.concatenate(parts, axis=1)
        assert laid.shape[1] == count
        np.savez(tmp_path / f"{count}.npz", keypoints=laid[..., :2], scores=laid[..., 2], **stated)
        np.testing.assert_array_equal(load_poses(tmp_path / f"{count}.npz").poses, wanted.poses)
    hands = wanted.poses[:, [INDEX["left_wrist"], INDEX["right_wrist"]], :2] - wanted.poses[:, [18, 39], :2]
    assert np.median(np.linalg.norm(hands, axis=-1)) < 15 and len(BODY_JOINTS) == 18


def test_scores_above_1_of_a_real_file_are_counted(signing):
    clip = load_poses(signing.parent / "wholebody133_soup.json", 300, 300, 30)
    assert clip.counts.clipped > 0 and clip.counts.zeroed == 0 and clip.poses[..., 2].max() <= 1


def test_a_real_dance_laid_out_as_holistic_keeps_it(tmp_path, signing):
    """MediaPipe's own landmarks of a real clip; hands of Holistic have no scores."""
    path = signing.parent / "conan_dancing_mediapipe.npz"
    with np.load(path) as known:
        body = known["pose"][..., [0, 1, 4, 2, 3]]
        hands = [np.concatenate([known[name], np.zeros_like(known[name][..., :2])], axis=-1) for name in ("lh", "rh")]
        width, height = known["wh"]
    rows = np.concatenate([body, np.zeros((len(body), 468, 5)), *hands], axis=1)
    np.save(tmp_path / "a.npy", rows / (width, height, 1, 1, 1))
    wanted, clip = load_poses(path), load_poses(tmp_path / "a.npy", int(height), int(width), 25)
    np.testing.assert_allclose(clip.poses[:, :18], wanted.poses[:, :18], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(clip.poses[..., :2], wanted.poses[..., :2], rtol=1e-4, atol=1e-3)
