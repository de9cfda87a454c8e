"""The toy clips are what they promise: repeatable, well formed, seen as posed."""

import dataclasses

import numpy as np
import pytest

from data_pipeline import toy
from data_pipeline.skeleton import INDEX, LEFT_HAND_START, LIMBS, RIGHT_HAND_START
from data_pipeline.toy import moves
from data_pipeline.toy.figure import PARAMETER, confidences, pose_joints

FRAMES = 90
ASPECT = 4 / 7


@pytest.fixture(scope="module")
def clip():
    return toy.make_clip(0, 2, "train", num_frames=FRAMES)


@pytest.fixture(scope="module")
def dancer():
    return dataclasses.replace(toy.make_dancer(np.random.default_rng(0)), center=0.0, floor=0.88)


def still(dancer, **parameters):
    """Joints of the neutral pose with some parameters changed, held for five frames."""
    state = moves.NEUTRAL.copy()
    for name, value in parameters.items():
        state[PARAMETER[name]] = value
    return pose_joints(np.tile(state, (5, 1)), dancer)


def test_record_fields(clip):
    assert clip["poses"].shape == (FRAMES, 60, 3) and clip["poses"].dtype == np.float32
    assert clip["frames"].shape == (FRAMES, 112, 64, 3) and clip["frames"].dtype == np.uint8
    assert clip["audio"].dtype == np.int16 and clip["audio"].shape == (3 * clip["audio_rate"],)
    assert np.abs(clip["audio"]).max() > 20000
    assert clip["fps"] == 30 and clip["style"] == 2
    assert clip["beat_times"][0] >= 0 and clip["beat_times"][-1] < 3.0
    assert "frames" not in toy.make_clip(0, 2, "train", num_frames=30, render_frames=False)


def test_repeats_bit_for_bit(clip):
    again = toy.make_clip(0, 2, "train", num_frames=FRAMES)
    assert all(np.array_equal(clip[key], again[key]) for key in clip)


def test_splits_seeds_and_indices_differ():
    clips = [
        toy.make_clip(seed, index, split, num_frames=30, render_frames=False)
        for seed in (0, 1) for index in (0, 4) for split in ("train", "test")
    ]
    assert {c["style"] for c in clips} == {0}
    for key in ("id", "song", "dancer"):
        assert len({c[key] for c in clips}) == len(clips)
    assert len({c["audio"].tobytes() for c in clips}) == len({c["poses"].tobytes() for c in clips}) == len(clips)


def test_ordinary_clips_stay_as_they_are():
    """Elbow, wrist and hip of two frames, and three samples: values of 2026-11-25, not a hash, which CPUs may round."""
    wanted = {
        0: ([[-0.396973, -0.126345], [0.194636, 0.087772], [-0.045604, 0.747680]],
            [[-0.266307, 0.121965], [0.461104, 0.019808], [-0.105245, 0.769944]], [-20386, -2509, 674]),
        3: ([[-0.329848, 0.122872], [0.445337, 0.043768], [-0.136855, 0.785586]],
            [[-0.212349, 0.092184], [0.101552, 0.138066], [-0.120485, 0.793383]], [172, -83, 3]),
    }  # fmt: skip
    for index, (early, late, samples) in wanted.items():
        clip = toy.make_clip(0, index, "train", 60, render_frames=False)
        np.testing.assert_allclose(clip["poses"][[10, 50]][:, [4, 7, 10], :2], [early, late], atol=2e-6)
        np.testing.assert_allclose(clip["audio"][[4000, 20000, 40000]], samples, atol=1)
        assert clip["id"] == f"toy-0-train-0000{index}"


def choreographed(index, split="train"):
    return toy.make_clip(0, index, split, 120, render_frames=False, choreography=True)


def test_choreographed_clips_share_nothing_with_ordinary_ones():
    clips = [toy.make_clip(0, i, "train", 120, render_frames=False) for i in range(2)]
    clips += [choreographed(0), choreographed(1), choreographed(0, "test")]
    for key in ("id", "song", "dancer"):
        assert len({c[key] for c in clips}) == 5
    for key in ("audio", "poses"):
        assert len({c[key].tobytes() for c in clips}) == 5
    assert [c["style"] for c in clips] == [0, 1, 0, 1, 0]
    np.testing.assert_array_equal(choreographed(0)["poses"], clips[2]["poses"])


def test_the_choreography_is_the_same_to_every_song():
    """On each of eight counts everyone holds the same pose, as far as bodies allow: not that of another count."""
    held = {count: [] for count in range(8)}
    for genre in range(len(toy.GENRES)):
        song = toy.make_song(np.random.default_rng(genre), genre, 8.0)
        dancer = toy.make_dancer(np.random.default_rng(10 + genre))
        joints = toy.make_motion(np.random.default_rng(genre), song, dancer, 240, choreography=True).joints[..., :2]
        for beat, second in enumerate(song.beat_times):
            if 30 * second < 239:
                pose = joints[round(30 * second)]
                held[(song.first_beat + beat) % 8].append((pose - pose[INDEX["neck"]]) / dancer.stature)
    means = np.stack([np.mean(poses, axis=0) for poses in held.values()])
    for count, poses in held.items():
        distances = np.linalg.norm(np.stack(poses)[:, None] - means, axis=-1).mean(axis=-1)
        assert (distances.argmin(axis=1) == count).all() and distances[:, count].max() < 0.04


def test_no_genre_has_the_poses_of_the_choreography(dancer):
    def shape(keys):
        joints = pose_joints(keys, dancer)[..., :2]
        return joints - joints[:, INDEX["neck"], None]

    keys = np.concatenate([pattern for style in moves.PATTERNS for pattern in style])
    keys = np.concatenate([keys, [moves.mirror(key) for key in keys]])
    gaps = np.linalg.norm(shape(moves.CHOREOGRAPHY)[:, None] - shape(keys), axis=-1).mean(axis=-1)
    assert gaps.min() > 0.06  # half heights, mean of the joints


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="split 'valid'"):
        toy.make_clip(0, 0, "valid")
    with pytest.raises(ValueError, match="genre 9"):
        toy.make_song(np.random.default_rng(0), 9, 3.0)
    with pytest.raises(ValueError, match="too short"):
        toy.make_song(np.random.default_rng(0), 0, 0.1)


def test_joints_are_where_a_body_has_them(dancer):
    joints = still(dancer, drop=0.0)[0]
    y, x = joints[:, 1], joints[:, 0]
    chain = ["right_eye", "nose", "neck", "right_hip", "right_knee", "right_ankle"]
    assert np.all(np.diff([y[INDEX[name]] for name in chain]) > 0)
    for part in ("shoulder", "hip", "knee", "ankle", "wrist", "eye", "ear"):
        assert x[INDEX[f"right_{part}"]] < x[INDEX[f"left_{part}"]]  # the dancer faces the camera
    np.testing.assert_array_equal(joints[LEFT_HAND_START], joints[INDEX["left_wrist"]])
    np.testing.assert_array_equal(joints[RIGHT_HAND_START], joints[INDEX["right_wrist"]])
    assert 0.75 < (dancer.floor - y.min()) / 2 + 0.1 * dancer.stature < 1.0


def test_bones_keep_their_length():
    song = toy.make_song(np.random.default_rng(1), 3, 4.0)
    joints = toy.make_motion(np.random.default_rng(2), song, toy.make_dancer(np.random.default_rng(3)), 120).joints
    rigid = [limb for limb in LIMBS if INDEX["neck"] not in limb]
    length = np.stack([np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in rigid])
    np.testing.assert_allclose(length, length[:, :1].repeat(120, 1), rtol=1e-4)
    assert length.min() > 0.005 and length.max() < 0.5


def test_mirror_mirrors_the_joints(dancer):
    key = moves.PATTERNS[0][0][0]
    one, other = pose_joints(np.stack([key, moves.mirror(key)]), dancer)
    for part in ("wrist", "ankle", "ear"):
        expected = one[INDEX[f"left_{part}"]] * [-1, 1, 1]
        np.testing.assert_allclose(other[INDEX[f"right_{part}"]], expected, atol=1e-9)


def test_confidence_tells_what_is_seen(dancer):
    wrist, ear, other_ear = INDEX["right_wrist"], INDEX["right_ear"], INDEX["left_ear"]
    neutral = confidences(still(dancer), dancer, ASPECT)
    assert neutral[:, :LEFT_HAND_START].min() > 0.9
    behind = {"right_raise": 0.45, "right_forward": -0.5, "right_elbow": -1.25, "right_reach": -0.55}
    assert confidences(still(dancer, **behind), dancer, ASPECT)[0, wrist] < 0.3
    turned = confidences(still(dancer, head_yaw=0.8), dancer, ASPECT)
    assert min(turned[0, ear], turned[0, other_ear]) < 0.3 < 0.9 < max(turned[0, ear], turned[0, other_ear])
    outside = confidences(still(dancer, x=-0.5, right_raise=1.5), dancer, ASPECT)
    assert outside[0, wrist] == 0.0 and outside[0, INDEX["neck"]] > 0.9
    moving = still(dancer) + np.linspace(0, 0.5, 5)[:, None, None] * [0.0, -1.0, 0.0]
    assert confidences(moving, dancer, 10.0)[2, wrist] < 0.7 * neutral[2, wrist]


def test_confidence_range(clip):
    score = clip["poses"][..., 2]
    assert score.min() >= 0.0 and score.max() <= 1.0
    assert (score > 0.9).mean() > 0.4 and 0.02 < (score < 0.5).mean() < 0.4


def test_frames_show_the_posed_body(dancer):
    bright = dataclasses.replace(
        dancer, skin=(250, 10, 10), shirt=(10, 250, 10), trousers=(10, 10, 250), wall=(0, 0, 0), ground=(0, 0, 0),
        decor_shape=0, hair_length=0.0,
    )
    joints = still(bright, right_raise=2.2, x=0.1)
    frame = toy.render(joints, bright, 224, 128)[0].astype(int)

    def color(place):
        column, row = (place[:2] + [128 / 224, 1.0]) * 112
        return int(np.argmax(frame[int(row), int(column)])), int(frame[int(row), int(column)].max())

    for name, channel in {"right_wrist": 0, "neck": 1, "left_elbow": 1, "left_knee": 2, "right_knee": 2}.items():
        found, value = color(joints[0, INDEX[name]])
        assert found == channel and value > 120, name
    assert frame[:3].max() == 0 and (frame.max(axis=-1) > 60).mean() > 0.15


def test_blur_changes_only_what_moves(dancer):
    joints = still(dancer)
    np.testing.assert_array_equal(toy.render(joints, dancer, 56, 32, 2), toy.render(joints, dancer, 56, 32))
    moving = joints + np.linspace(0, 0.3, 5)[:, None, None] * [1.0, 0.0, 0.0]
    assert (toy.render(moving, dancer, 56, 32, 2) != toy.render(moving, dancer, 56, 32)).any()


def test_the_first_frame_is_a_poor_guess_of_the_others(clip):
    frames = clip["frames"].astype(np.float64) / 255
    psnr = -10 * np.log10(((frames[45:] - frames[:45]) ** 2).mean())
    assert 12 < psnr < 21
