import numpy as np
import pytest

from data_pipeline import image_files, schema


def _record(frames: int = 3) -> dict:
    rng = np.random.default_rng(0)
    return {
        "id": "clip-1", "song": "song", "dancer": "dancer", "style": 2, "fps": 30, "audio_rate": 16000,
        "poses": rng.random((frames, 60, 3), np.float32), "music": rng.random((frames, 35), np.float32),
        "audio": rng.integers(-30000, 30000, 1600).astype(np.int16),
        "frames": rng.integers(0, 255, (frames, 16, 8, 3), np.uint8),
    }  # fmt: skip


def test_a_record_survives_the_bytes_that_lie_on_disk():
    record, features = _record(), schema.tfds_features()
    stored = features.serialize_example(schema.encode(record))
    read = schema.decode(features.deserialize_example_np(stored))
    assert {name: read[name] for name in (*schema.TEXTS, *schema.INTEGERS)} == {
        name: record[name] for name in (*schema.TEXTS, *schema.INTEGERS)
    }
    for name in schema.ARRAYS:
        np.testing.assert_array_equal(read[name], record[name])
        assert read[name].dtype == record[name].dtype
    assert [type(frame) for frame in read["frames"]] == [bytes] * 3
    assert image_files.decode_jpeg(read["frames"][1]).shape == (16, 8, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"poses": np.zeros((3, 59, 3), np.float32)}, r"clip-1: poses is float32 \(3, 59, 3\)"),
        ({"music": np.zeros((3, 35))}, "music is float64"),
        ({"music": np.zeros((4, 35), np.float32)}, "lengths must agree"),
        ({"poses": np.full((3, 60, 3), np.nan, np.float32)}, "poses holds NaN"),
        ({"poses": np.full((3, 60, 3), 1.06, np.float32)}, "confidences outside"),
        ({"fps": 25}, "fps is 25, expected 30"),
        ({"frames": []}, "lengths must agree and not be 0"),
    ],
)
def test_a_broken_field_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        schema.encode(_record() | change)


def test_a_missing_field_is_named():
    record = _record()
    del record["song"]
    with pytest.raises(ValueError, match="clip-1: lacks song"):
        schema.encode(record)
