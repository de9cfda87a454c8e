"""Each loader's windows read little more than what their examples are made of."""

import numpy as np
import pytest

from data_pipeline import data_set, image_files, prepared_clips, sources, transforms
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.prepared_clips import Item

FRAMES, SIZE = 300, (64, 32)
MUSIC = FeatureSet("mine35")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    pictures = np.random.default_rng(0).integers(0, 255, (4, *SIZE, 3)).astype(np.uint8)
    jpegs = [image_files.encode_jpeg(picture) for picture in pictures]
    items = []
    for name in ("a", "b", "c"):
        record = {
            "id": name, "poses": np.zeros((FRAMES, 60, 3), np.float32), "music": np.zeros((FRAMES, 35), np.float32),
            "beats": np.arange(0, FRAMES, 15, dtype=np.int32), "frames": (jpegs[t % 4] for t in range(FRAMES)),
        }
        path = root / f"{name}.npz"
        items.append(Item(name, FRAMES, "", prepared_clips.write(path, record), str(path)))
    return data_set.write(str(root / "set"), {"train": items}, [], settings={}, features=MUSIC, size=SIZE)


JPEG = 5_000  # bytes, at least, of one of the pictures above: noise does not compress
POSE = 60 * 3 * 4


@pytest.mark.parametrize(("window", "used"), [
    (transforms.PoseWindow(64), 64 * POSE),
    (transforms.MotionWindow(MUSIC), (64 + 64) * POSE + FRAMES * 35 * 4),  # the whole song is pooled
    (transforms.VideoWindow(1, *SIZE), 2 * JPEG),
    (transforms.VideoWindow(16, *SIZE, fields=transforms.VIDEO_FIELDS), 17 * JPEG + 16 * POSE),
    (transforms.RandomCrop(32, 32), JPEG),
], ids=["tokenizer", "motion", "appearance", "video", "autoencoder"])
def test_a_window_reads_at_most_twice_what_it_uses(folder, window, used):
    rng, ratios = np.random.default_rng(0), []
    for _ in range(20):
        clips = sources.from_directory(folder, "train", window.reads)  # anew: nothing is kept from the window before
        window(clips[int(rng.integers(3))], rng)
        ratios.append(sum(part.bytes_read for part in clips.parts.values()) / used)
    assert min(ratios) > 0.7 and max(ratios) <= 2, (min(ratios), max(ratios))
