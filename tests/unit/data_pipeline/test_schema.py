import numpy as np
import pytest

from data_pipeline import schema


def _record(frames: int = 3) -> dict:
    rng = np.random.default_rng(0)
    return {
        "id": "clip-1", "song": "söng", "dancer": "dancer", "style": 2, "fps": 30, "audio_rate": 16000,
        "song_start": 1.5, "provenance": "{}",
        "poses": rng.random((frames, 60, 3), np.float32), "music": rng.random((frames, 35), np.float32),
        "audio": rng.integers(-30000, 30000, 1600).astype(np.int16), "beats": np.array([0, 2], np.int32),
        "frames": b"a JPEG file",
    }  # fmt: skip


@pytest.mark.parametrize("part", schema.PARTS)
def test_a_record_survives_the_bytes_that_lie_on_disk(part):
    record, features = _record(), schema.tfds_features(part, 35)
    wanted = {name: record[name] for name in features}
    read = schema.decode(features.deserialize_example_np(features.serialize_example(wanted)))
    assert set(read) == set(schema.fields_of(part)) | ({"id"} if part == "songs" else set())
    for name, value in wanted.items():
        np.testing.assert_array_equal(read[name], value)
        if isinstance(value, np.ndarray):
            assert read[name].dtype == value.dtype
        else:
            assert type(read[name]) is type(value)


def test_every_field_lies_in_one_part_and_music_may_be_missing():
    fields = [name for part in schema.PARTS for name in schema.fields_of(part)]
    assert sorted(fields) == sorted(schema.FIELDS)
    assert {"music", "beats"} & set(schema.tfds_features("clips", None)) == set()


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
        ({"beats": np.array([0, 3], np.int32)}, "beats must be increasing frames"),
        ({"beats": np.array([-1], np.int32)}, "beats must be increasing frames"),
        ({"beats": np.array([1, 1], np.int32)}, "beats must be increasing frames"),
    ],
)
def test_a_broken_field_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        schema.validate(_record() | {"frames": [b""] * 3} | change)


def test_a_whole_record_is_valid():
    schema.validate(_record() | {"frames": [b""] * 3})
