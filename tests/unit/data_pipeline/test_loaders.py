import itertools

import chex
import numpy as np
import pytest

from data_pipeline import clip_views, loaders, music, poses, transforms
from data_pipeline.clip_views import MemoryClip


def _records(count: int = 5, frames: int = 24) -> list[dict]:
    """Clip c, frame t: every joint at x = c, y = t; music t in every column; the picture's grey is t."""
    records = []
    for clip in range(count):
        joints = np.ones((frames, 60, 3), np.float32)
        joints[..., 0], joints[..., 1] = clip, np.arange(frames)[:, None]
        rows = np.repeat(np.arange(frames, dtype=np.float32)[:, None], 35, axis=1)
        pictures = np.ones((frames, 16, 8, 3), np.uint8) * np.arange(frames, dtype=np.uint8)[:, None, None, None] * 8
        records.append({"id": f"clip-{clip}", "poses": joints, "music": rows, "frames": pictures})
    return records


def _take(iterator, count: int) -> list[dict]:
    return list(itertools.islice(iterator, count))


def _same(a: list[dict], b: list[dict]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x)


WINDOW = {"previous": 8, "length": 6, "num_context": 4, "song_bins": 3}


def test_a_restarted_run_sees_what_the_whole_run_saw():
    whole = _take(loaders.motion(_records(), "train", 4, seed=7, **WINDOW), 8)
    assert _same(_take(loaders.motion(_records(), "train", 4, seed=7, start_step=5, **WINDOW), 3), whole[5:])
    assert _same(_take(loaders.motion(_records(), "train", 4, seed=7, num_threads=0, **WINDOW), 8), whole)
    assert not _same(_take(loaders.motion(_records(), "train", 4, seed=8, **WINDOW), 8), whole)
    assert not _same(whole[:4], whole[4:])


def test_the_seed_decides_both_the_order_of_the_clips_and_their_windows():
    clips = [_clips(_take(loaders.tokenizer(_records(), "train", 5, seed, length=24), 4)) for seed in (7, 8)]
    assert not np.array_equal(*clips)
    of_one_clip = [_take(loaders.tokenizer(_records(1), "train", 20, seed, length=6), 1) for seed in (7, 8)]
    assert not _same(*of_one_clip)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_the_same_global_batches(count):
    whole = _take(loaders.tokenizer(_records(), "train", 4, seed=1, length=6, start_step=3), 4)
    parts = [
        _take(loaders.tokenizer(_records(), "train", 4, seed=1, length=6, start_step=3,
                                process_index=i, process_count=count), 4)
        for i in range(count)
    ]  # fmt: skip
    joined = [{"poses": np.concatenate([part[step]["poses"] for part in parts])} for step in range(4)]
    assert _same(joined, whole)


def test_every_epoch_holds_every_clip_once_in_a_new_order():
    batches = _take(loaders.tokenizer(_records(6), "train", 3, length=4), 4)
    clips = np.concatenate([batch["poses"][:, 0, 0, 0] for batch in batches])
    first, second = clips[:6].tolist(), clips[6:].tolist()
    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second


def test_evaluation_is_one_pass_in_order():
    loader = loaders.tokenizer(_records(5), "test", 2, length=4, shuffle=False, num_epochs=1)
    batches = _take(loader, 9)  # an endless one shows itself
    assert [b["poses"][:, 0, 0, 0].tolist() for b in batches] == [[0, 1], [2, 3], [4]]


def _clips(batches: list[dict]) -> np.ndarray:
    return np.concatenate([batch["poses"][:, 0, 0, 0] for batch in batches]).astype(int)


def test_a_share_is_the_same_clips_for_every_seed_and_inside_a_larger_share():
    def used(share, seed=0):
        batches = loaders.tokenizer(_records(20, 4), "train", 1, seed, length=4, share=share, num_epochs=1)
        return sorted(_clips(_take(batches, 99)).tolist())

    nested = [used(share) for share in (0.001, 0.1, 0.5, 0.9, 1.0)]
    assert [len(clips) for clips in nested] == [1, 2, 10, 18, 20]
    assert all(set(small) < set(large) for small, large in itertools.pairwise(nested))
    assert nested[2] == used(0.5, seed=1) != list(range(10))
    order = loaders.tokenizer(_records(20, 4), "test", 1, length=4, share=0.5, num_epochs=1, shuffle=False)
    assert _clips(_take(order, 99)).tolist() == nested[2]


def test_every_loader_takes_a_share():
    records = _records(8)
    for loader, options in (
        (loaders.tokenizer, {"length": 4}),
        (loaders.motion, WINDOW),
        (loaders.video, {"num_frames": 1, "fields": ("poses",), "height": 16, "width": 8}),
        (loaders.frames, {"height": 16, "width": 8}),
    ):
        assert len(_take(loader(records, "train", 1, share=0.25, num_epochs=1, **options), 9)) == 2


REPLAY = {"replay": [{**r, "poses": r["poses"] + np.array([100, 0, 0], np.float32)} for r in _records(7)]}


def test_replayed_examples_come_at_their_rate_and_leave_the_others_as_they_were():
    options = {"seed": 3, "static_context_rate": 0, **WINDOW}
    plain = _take(loaders.motion(_records(), "train", 8, **options), 50)
    mixed = _take(loaders.motion(_records(), "train", 8, **REPLAY, replay_rate=0.3, **options), 50)
    clips = _clips(mixed)
    replayed = clips >= 100
    assert 0.22 < replayed.mean() < 0.38  # 400 examples: three and a half deviations of chance
    assert set(clips[replayed]) == set(range(100, 107)) and set(clips[~replayed]) == set(range(5))
    for field in plain[0]:
        before, after = (np.concatenate([batch[field] for batch in batches]) for batches in (plain, mixed))
        np.testing.assert_array_equal(before[~replayed], after[~replayed])
    assert _same(_take(loaders.motion(_records(), "train", 8, **REPLAY, replay_rate=0.0, **options), 50), plain)


def test_replay_is_the_same_after_a_restart_and_on_other_process_counts():
    def batches(count, seed=7, **order):
        return _take(loaders.motion(_records(), "train", 4, seed, **REPLAY, replay_rate=0.5, **WINDOW, **order), count)

    whole = batches(8)
    assert 0 < (_clips(whole) >= 100).sum() < 32
    few = _clips(batches(20, share=0.2))  # of the run's own clips, not of the replayed
    assert len(set(few[few < 100])) == 1 and len(set(few[few >= 100])) == 7
    assert _same(batches(3, start_step=5), whole[5:])
    assert not np.array_equal(_clips(batches(8, seed=8)) >= 100, _clips(whole) >= 100)
    parts = [batches(8, process_index=i, process_count=2) for i in range(2)]
    joined = [{key: np.concatenate([a[key], b[key]]) for key in a} for a, b in zip(*parts, strict=True)]
    assert _same(joined, whole)


@pytest.mark.parametrize(("own", "replay", "wanted"), [(0.0, 1.0, (0, 1)), (1.0, 0.0, (1, 0)), (1.0, None, (1, 1))])
def test_replayed_windows_have_their_own_static_contexts(own, replay, wanted):
    options = {"replay_rate": 0.5, "replay_static_context_rate": replay, "static_context_rate": own}
    batches = _take(loaders.motion(_records(), "train", 8, **REPLAY, **options, **WINDOW), 4)
    time = np.concatenate([batch["poses"][:, :, 0, 1] for batch in batches])
    still = (time[:, :8] == time[:, 8:9]).all(axis=1)
    later = time[:, 8] > 0  # a window from the clip's first frame stands still in any case
    replayed = _clips(batches) >= 100
    assert (still[later & ~replayed] == wanted[0]).all() and (still[later & replayed] == wanted[1]).all()


def test_motion_windows_are_aligned_in_time():
    for batch in _take(loaders.motion(_records(), "train", 16, static_context_rate=0, **WINDOW), 3):
        assert {k: (v.shape, v.dtype) for k, v in batch.items()} == loaders.element_spec("motion", 16, **WINDOW)
        time = batch["poses"][:, :, 0, 1]
        start = time[:, 8]
        wanted = start[:, None] + np.arange(-8, 6)
        np.testing.assert_array_equal(time, np.maximum(wanted, 0))
        rows = music.find("librosa35").normalise(np.repeat(np.maximum(wanted, 0)[..., None], 35, axis=-1))
        np.testing.assert_allclose(batch["music"], np.where(wanted[..., None] >= 0, rows, 0), rtol=1e-6)
        assert batch["context_index"].min() >= 0 and batch["context_index"].max() < 8
        assert all(len(set(row)) == 4 for row in batch["context_index"].tolist())
        assert (np.diff(batch["context_index"]) > 0).all()
        song = music.find("librosa35").normalise(np.tile(np.float32([[3.5], [11.5], [19.5]]), (16, 1, 35)))
        np.testing.assert_allclose(batch["song"], song, rtol=1e-5, atol=1e-5)


def test_windows_reach_both_ends_of_a_clip():
    starts = set()
    for batch in _take(loaders.motion(_records(), "train", 16, static_context_rate=0, **WINDOW), 30):
        starts |= set(batch["poses"][:, 8, 0, 1].astype(int).tolist())
    assert starts == set(range(24 - 6 + 1))


def test_a_static_context_is_the_first_pose_to_predict():
    batch = next(loaders.motion(_records(), "train", 16, static_context_rate=1.0, **WINDOW))
    time = batch["poses"][:, :, 0, 1]
    assert (time[:, :8] == time[:, 8:9]).all() and (np.diff(time[:, 8:]) == 1).all()
    later = time[:, 8] > 8
    assert later.any() and not (batch["music"][later, 0] == batch["music"][later, 8]).any()


PICTURES = {"height": 16, "width": 8}
STILL = {"num_frames": 1, **PICTURES}


@pytest.mark.parametrize("num_frames", [1, 4])
def test_video_pictures_belong_to_their_poses(num_frames):
    shape = {"num_frames": num_frames, **PICTURES, "fields": transforms.VIDEO_FIELDS, "reference_gap": 2}
    batch = next(loaders.video(_records(), "train", 16, **shape))
    assert {k: (v.shape, v.dtype) for k, v in batch.items()} == loaders.element_spec("video", 16, **shape)
    time = batch["poses"][:, :, 0, 1]
    np.testing.assert_allclose(batch["frames"][:, :, 3, 3, 0] / 8, time, atol=0.3)
    np.testing.assert_array_equal(batch["pose_window"], batch["poses"])
    np.testing.assert_array_equal(batch["pose_images"], poses.draw(batch["poses"], 16, 8))
    assert (np.diff(time) == 1).all()
    reference = batch["reference"][:, 3, 3, 0] / 8
    assert (np.maximum(time[:, 0] - reference, reference - time[:, -1]) > 1.7).all()  # JPEG is not exact


@pytest.mark.parametrize("fields", [("reference", "frames"), ("frames", "pose_images"), ("poses",), ("pose_window",)])
def test_a_video_batch_holds_what_was_asked_for_alone(fields, monkeypatch):
    shape = {"num_frames": 2, "margin": 1, **PICTURES}
    whole = next(loaders.video(_records(), "train", 4, fields=transforms.VIDEO_FIELDS, **shape))
    records = _records()
    if fields == ("reference", "frames"):
        records = [{key: value for key, value in record.items() if key != "poses"} for record in records]
    if "pose_images" not in fields:
        monkeypatch.setattr(poses, "draw", None)
    if not {"reference", "frames"} & set(fields):
        monkeypatch.setattr(clip_views.image_files, "decode_jpeg", None)
    batch = next(loaders.video(records, "train", 4, fields=fields, **shape))
    chex.assert_trees_all_equal(batch, {name: whole[name] for name in fields})
    found = {name: (value.shape, value.dtype) for name, value in batch.items()}
    assert found == loaders.element_spec("video", 4, fields=fields, **shape)


def _drawn(frames: int, num_frames: int, gap: int, count: int = 4000) -> dict[int, list[int]]:
    """Start of the window -> the reference frames drawn with it. Frame t's picture is t."""
    record = MemoryClip({"id": "a", "frames": [bytes([t]) for t in range(frames)]}, 0)
    window, drawn = transforms.VideoWindow(num_frames, 1, 1, reference_gap=gap), {}
    rng = np.random.default_rng(0)
    for _ in range(count):
        example = window(record, rng)
        drawn.setdefault(int(example["frames"][0, 0, 0, 0]), []).append(int(example["reference"][0, 0, 0]))
    return drawn


@pytest.fixture
def numbered_pictures(monkeypatch):
    monkeypatch.setattr(clip_views.image_files, "decode_jpeg", lambda data: np.full((1, 1, 3), data[0], np.uint8))


def test_the_reference_is_uniform_over_the_frames_that_keep_the_gap(numbered_pictures):
    drawn = _drawn(frames=12, num_frames=2, gap=4)
    assert set(drawn) == set(range(11))
    for start, references in drawn.items():
        allowed = [t for t in range(12) if t <= start - 4 or t >= start + 1 + 4]
        found, counts = np.unique(references, return_counts=True)
        assert found.tolist() == allowed
        assert abs(counts / counts.sum() - 1 / len(allowed)).max() < 0.1  # some 360 draws a start: over 3 deviations


def test_where_no_frame_keeps_the_gap_the_farthest_are_taken(numbered_pictures):
    for start, references in _drawn(frames=8, num_frames=2, gap=30, count=400).items():
        assert set(references) == ({7} if start < 3 else {0} if start > 3 else {0, 7})
    assert {start: set(found) for start, found in _drawn(4, 4, 30, 200).items()} == {0: {0, 1, 2, 3}}
    assert all(set(found) == set(range(6)) for found in _drawn(6, 3, 0, 400).values())
    assert transforms.VideoWindow(1, 16, 8).reference_gap == 30


def test_margins_are_the_neighbouring_frames():
    def both(loader, **options):
        return (next(loader(_records(), "train", 16, margin=margin, **options)) for margin in (0, 3))

    plain, wide = both(loaders.motion, static_context_rate=0.5, **WINDOW)
    np.testing.assert_array_equal(wide["poses"][:, 3:-3], plain["poses"])
    still = (plain["poses"][:, :9, 0, 1] == plain["poses"][:, 8:9, 0, 1]).all(axis=1)
    assert still.any() and not still.all()
    np.testing.assert_array_equal(wide["poses"][still, 0], plain["poses"][still, 0])
    last = plain["poses"][:, -1, 0, 1]
    np.testing.assert_array_equal(wide["poses"][:, -3:, 0, 1], np.minimum(last[:, None] + [1, 2, 3], 23))
    plain, wide = both(loaders.video, num_frames=4, fields=("poses", "pose_window"), **PICTURES)
    np.testing.assert_array_equal(wide["poses"], plain["poses"])
    first = plain["poses"][:, 0, 0, 1]
    wanted = np.clip(first[:, None] + np.arange(-3, 7), 0, 23)
    np.testing.assert_array_equal(wide["pose_window"][..., 0, 1], wanted)


def test_single_frames():
    batch = next(loaders.frames(_records(), "train", 4, height=16, width=8))
    assert {k: (v.shape, v.dtype) for k, v in batch.items()} == loaders.element_spec("frames", 4, height=16, width=8)


def test_crops_come_from_everywhere(monkeypatch):
    def picture(content):
        row, column, frame = np.mgrid[:4, :3, :1] + content[0]
        return np.stack([row - content[0], column - content[0], frame], axis=-1)[:, :, 0].astype(np.uint8)

    monkeypatch.setattr(clip_views.image_files, "decode_jpeg", picture)
    record, window = MemoryClip({"id": "a", "frames": [b"\0", b"\1"]}, 0), transforms.RandomCrop(2, 2)
    rng = np.random.default_rng(0)
    crops = [window(record, rng)["frames"] for _ in range(200)]
    corners = {tuple(crop[0, 0].tolist()) for crop in crops}
    assert corners == {(y, x, t) for y in range(3) for x in range(2) for t in (0, 1)}
    assert all((crop[1, 1] - crop[0, 0]).tolist() == [1, 1, 0] for crop in crops)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: next(loaders.tokenizer(r, "train", 2, length=25)), "clip-[0-4]: has 24 frames, .* needs 25"),
        (lambda r: next(loaders.frames(r, "train", 2, height=32, width=8)), "smaller than the crop 32x8"),
        (lambda r: loaders.tokenizer([], "train", 2), "no records"),
        (lambda r: loaders.tokenizer(r, "train", 3, process_count=2), "batch_size: 3"),
        (lambda r: loaders.tokenizer(r, "train", 2, num_epochs=1, process_count=2), "5 examples do not fill"),
        (lambda r: next(loaders.motion([{"poses": x["poses"]} for x in r], "train", 2)), "lacks music"),
        (lambda r: next(loaders.motion([{**x, "fps": 60} for x in r], "train", 2, **WINDOW)), "clip-[0-4]: fps is 60"),
        (lambda r: loaders.tokenizer(r, "train", 2, share=0.0), r"share: 0.0 is not in \(0, 1\]"),
        (lambda r: loaders.tokenizer(r, "train", 2, share=1.5), "share: 1.5"),
        (lambda r: loaders.motion(r, "train", 2, **REPLAY, replay_rate=1.0), r"replay_rate: 1.0 is not in \[0, 1\)"),
        (lambda r: loaders.motion(r, "train", 2, **REPLAY, replay_rate=-0.1), "replay_rate: -0.1"),
        (lambda r: loaders.motion(r, "train", 2, replay_rate=0.3), "replay_rate: 0.3 needs a data set"),
        (lambda r: loaders.element_spec("pictures", 2), "'pictures' is not one of"),
        (lambda r: loaders.video(r, "train", 2, **STILL, fields=("skeletons",)), "fields: skeletons; a"),
        (lambda r: loaders.video(r, "train", 2, **STILL, fields=()), "fields: none; a video window has"),
        (lambda r: loaders.video(r, "train", 2, **STILL, reference_gap=-1), "reference_gap: -1 is"),
        (lambda r: next(loaders.video(r, "train", 2, num_frames=25, **PICTURES)), "has 24 frames, .* needs 25"),
        (lambda r: next(loaders.video(r, "train", 2, num_frames=1, height=32, width=8)), "16x8, .* asked for 32x8"),
    ],
)
def test_misuse_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(_records())


def test_windows_are_plain_functions_of_their_generator():
    record, window = MemoryClip(_records(1)[0], 0), transforms.PoseWindow(4)
    a, b = (window(record, np.random.default_rng(3))["poses"] for _ in range(2))
    np.testing.assert_array_equal(a, b)
