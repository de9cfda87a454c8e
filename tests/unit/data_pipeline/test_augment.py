import itertools

import numpy as np
import pytest

from data_pipeline import loaders, poses
from data_pipeline.augment import Augment, Coloured, Cropped, Flipped, Stretched
from data_pipeline.clip_views import MemoryClip
from data_pipeline.skeleton import INDEX, NUM_JOINTS

HEIGHT, WIDTH, FRAMES = 64, 32, 40


@pytest.fixture(scope="module")
def record():
    rng = np.random.default_rng(0)
    joints = rng.uniform(-0.4, 0.4, (FRAMES, NUM_JOINTS, 3)).astype(np.float32)
    joints[..., 2] = rng.uniform(0.1, 1, (FRAMES, NUM_JOINTS))
    music = rng.normal(size=(FRAMES, 35)).astype(np.float32)
    music[:, 34] = 0
    music[[4, 15, 26, 37], 34] = 1
    pictures = rng.integers(0, 256, (FRAMES, HEIGHT // 8, WIDTH // 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    beats = np.array([4, 15, 26, 37], np.int32)
    return {"id": "a", "poses": joints, "music": music, "frames": pictures, "beats": beats}


def _clip(record):
    return MemoryClip(record, 0)


def test_a_mirror_image_exchanges_the_sides_and_two_are_the_clip_itself(record):
    clip = _clip(record)
    once = Flipped(clip)
    left, right = (INDEX[f"{side}_hand_index_2"] for side in ("left", "right"))
    before, after = clip.poses(3, 9), once.poses(3, 9)
    np.testing.assert_array_equal(after[:, left], before[:, right] * [-1, 1, 1])
    np.testing.assert_array_equal(after[:, INDEX["nose"]], before[:, INDEX["nose"]] * [-1, 1, 1])
    np.testing.assert_array_equal(Flipped(once).poses(3, 9), before)
    np.testing.assert_array_equal(once.image(5), clip.image(5)[:, ::-1])
    np.testing.assert_array_equal(once.value("music"), clip.value("music"))


def test_the_mirrored_skeleton_is_the_skeleton_of_the_mirror_image():
    """Of a standing person whose two sides are alike, so that colours of left and right stay where they are."""
    joints = np.zeros((1, NUM_JOINTS, 3), np.float32)
    rng = np.random.default_rng(1)
    for name, index in INDEX.items():
        if name.startswith("right"):
            joints[0, index] = *rng.uniform(0.05, 0.45, 1), *rng.uniform(-0.8, 0.8, 1), 1
            joints[0, INDEX["left" + name[5:]]] = joints[0, index] * [-1, 1, 1]
    joints[0, [INDEX["nose"], INDEX["neck"]]] = [[0, -0.7, 1], [0, -0.5, 1]]
    clip = MemoryClip({"poses": joints}, 0)
    np.testing.assert_allclose(Flipped(clip).poses(0, 1), joints, atol=1e-6)


def test_at_tempo_one_nothing_changes(record):
    clip, same = _clip(record), Stretched(_clip(record), 1.0)
    assert same.frames == clip.frames
    np.testing.assert_array_equal(same.poses(0, FRAMES), clip.poses(0, FRAMES))
    np.testing.assert_array_equal(same.value("music"), clip.value("music"))


@pytest.mark.parametrize("tempo", [0.5, 0.8, 1.25, 2.0])
def test_dance_and_music_are_stretched_alike(record, tempo):
    clip, found = _clip(record), Stretched(_clip(record), tempo)
    assert found.frames == int((FRAMES - 1) / tempo) + 1
    moved, music = found.poses(0, found.frames), found.value("music")
    assert len(moved) == len(music) == found.frames
    frame = found.frames // 2
    place = frame * tempo
    low, weight = int(place), place - int(place)
    for values, column in ((clip.poses(0, FRAMES)[:, 5, 0], moved[:, 5, 0]), (record["music"][:, 0], music[:, 0])):
        expected = values[low] * (1 - weight) + values[min(low + 1, FRAMES - 1)] * weight
        assert column[frame] == pytest.approx(expected, abs=1e-5)
    marks = np.flatnonzero(music[:, 34])
    assert len(marks) == 4 and set(np.unique(music[:, 34])) == {0, 1}
    np.testing.assert_allclose(marks * tempo, record["beats"], atol=0.5 * max(tempo, 1) + 1e-6)
    np.testing.assert_array_equal(found.value("beats"), marks)
    np.testing.assert_array_equal(found.poses(3, 7), moved[3:7])  # a part is read as the whole is


def test_a_joint_between_a_seen_and_an_unseen_one_is_unseen():
    joints = np.ones((3, NUM_JOINTS, 3), np.float32)
    joints[1, 0, 2] = 0
    found = Stretched(MemoryClip({"poses": joints}, 0), 0.5).poses(0, 5)
    assert found[:, 0, 2].tolist() == [1, 0, 0, 0, 1]


def test_a_crop_moves_poses_and_pixels_alike():
    """A white spot where a joint is: in the crop it lies where the cropped joint says."""
    joints = np.zeros((1, NUM_JOINTS, 3), np.float32)
    joints[0, 0] = [0.1, -0.3, 1]
    x, y = poses.denormalise(joints, HEIGHT, WIDTH)[0, 0, :2]
    picture = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)
    picture[0, round(y) - 1 : round(y) + 1, round(x) - 1 : round(x) + 1] = 255
    joints[0, 1] = [-0.45, 0.9, 1]  # in the corner that goes
    found = Cropped(MemoryClip({"poses": joints, "frames": picture}, 0), 0.5, 0.4, 0.1, WIDTH / HEIGHT)
    image, moved = found.image(0), found.poses(0, 1)
    assert image.shape == picture.shape[1:]
    rows, columns = np.nonzero(image[..., 0] > 100)
    x, y = poses.denormalise(moved, HEIGHT, WIDTH)[0, 0, :2]
    assert abs(columns.mean() + 0.5 - x) < 1 and abs(rows.mean() + 0.5 - y) < 1
    assert moved[0, :2, 2].tolist() == [1, 0]


def test_colours_change_by_the_factors_that_are_given():
    grey = np.full((1, 4, 4, 3), 100, np.uint8)
    assert Coloured(MemoryClip({"frames": grey}, 0), 1.2, 1, 1).image(0).mean() == pytest.approx(120, abs=2)
    assert Coloured(MemoryClip({"frames": grey}, 0), 1, 0.5, 1).image(0).mean() == pytest.approx(114, abs=2)
    red = np.zeros((1, 4, 4, 3), np.uint8) + np.array([200, 50, 50], np.uint8)
    assert np.ptp(Coloured(MemoryClip({"frames": red}, 0), 1, 1, 0).image(0)) <= 6  # JPEG's own
    np.testing.assert_array_equal(
        Coloured(MemoryClip({"frames": red}, 0), 1, 1, 1).image(0), MemoryClip({"frames": red}, 0).image(0)
    )


def test_nothing_is_drawn_where_nothing_is_asked_for(record):
    rng = np.random.default_rng(0)
    clip = _clip(record)
    assert Augment()(clip, rng) is clip
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    ("fields", "name"), [({"flip": 1.1}, "flip"), ({"crop": 1.0}, "crop"), ({"colour": -1}, "colour")]
)
def test_values_out_of_range_are_named(fields, name):
    with pytest.raises(ValueError, match=f"augment.{name}"):
        Augment(**fields)


ALL = Augment(flip=0.5, stretch=0.2, crop=0.2, colour=0.2)


def _batches(record, count=3, **order):
    options = {"num_frames": 4, "height": HEIGHT, "width": WIDTH, "fields": ("reference", "frames", "poses")}
    return list(itertools.islice(loaders.video([record], "train", 4, seed=5, **options, **order), count))


def test_a_loader_augments_and_repeats_bit_for_bit(record):
    plain, first, second = _batches(record), _batches(record, augment=ALL), _batches(record, augment=ALL)
    for field in ("reference", "frames", "poses"):
        assert not np.array_equal(plain[0][field], first[0][field])
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a[field], b[field])
    np.testing.assert_array_equal(_batches(record, 1, augment=ALL, start_step=2)[0]["frames"], first[2]["frames"])


def test_half_the_examples_are_mirrored(record):
    options = {"seed": 1, "length": FRAMES, "augment": Augment(flip=0.5)}
    found = next(loaders.tokenizer([record], "train", 200, **options))["poses"]
    mirrored = [not np.array_equal(example, record["poses"]) for example in found]
    assert 70 < sum(mirrored) < 130


def test_the_window_of_a_motion_model_hears_the_stretched_song(record):
    options = {"previous": 8, "length": 6, "num_context": 4, "song_bins": 3, "static_context_rate": 0.0}
    batch = next(loaders.motion([record], "train", 64, seed=2, augment=Augment(stretch=0.5), **options))
    plain = next(loaders.motion([record], "train", 64, seed=2, **options))
    assert batch["poses"].shape == plain["poses"].shape and batch["music"].shape == plain["music"].shape
    assert not np.array_equal(batch["song"], plain["song"])
