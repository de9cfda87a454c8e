"""What a record holds: one clip with its whole song, as numpy arrays and as the tfds example that lies on disk."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from data_pipeline import image_files, music
from data_pipeline.music import FPS
from data_pipeline.skeleton import NUM_JOINTS

Record = dict[str, Any]

# Field -> (shape, numpy dtype). None is a length: F frames at 30 fps, N samples. Units:
#   poses   x right, y down, centred on the frame, divided by half the frame height; confidence in [0, 1]
#   music   raw librosa-35 features (music.extract), row t at t / 30 s
#   frames  JPEG files, all of one height and width, so that one frame can be decoded without the others
#   audio   PCM, mono, at audio_rate Hz
ARRAYS: Final = {
    "poses": ((None, NUM_JOINTS, 3), np.float32),
    "music": ((None, music.find("librosa35").width), np.float32),
    "audio": ((None,), np.int16),
}
TEXTS: Final = ("id", "song", "dancer")
INTEGERS: Final = ("style", "fps", "audio_rate")
FRAMES: Final = "frames"
FIELDS: Final = (*TEXTS, *INTEGERS, *ARRAYS, FRAMES)


def tfds_features():
    """The tfds FeaturesDict of a record. Arrays lie as raw bytes: parsing them costs nothing."""
    import tensorflow_datasets as tfds

    arrays = {
        name: tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes")
        for name, (shape, dtype) in ARRAYS.items()
    }
    return tfds.features.FeaturesDict({
        **{name: tfds.features.Text() for name in TEXTS},
        **{name: tfds.features.Scalar(np.int32) for name in INTEGERS},
        **arrays,
        FRAMES: tfds.features.Sequence(tfds.features.Tensor(shape=(), dtype=np.object_)),
    })


def encode(record: Mapping[str, Any]) -> Record:
    """A complete record, frames as (F, H, W, 3) uint8 or JPEG bytes, to the example that tfds writes.

    Raises:
        ValueError: a field is missing or breaks the schema.
    """
    missing = [name for name in FIELDS if name not in record]
    if missing:
        raise ValueError(f"record {record.get('id', '?')}: lacks {', '.join(missing)}")
    validate(record)
    return {**{name: record[name] for name in FIELDS}, FRAMES: to_jpeg(record[FRAMES])}


def to_jpeg(frames: Iterable[np.ndarray | bytes]) -> list[bytes]:
    """Frames as (H, W, 3) uint8 or as JPEG bytes, to JPEG bytes."""
    return [frame if isinstance(frame, bytes) else image_files.encode_jpeg(frame) for frame in frames]


def decode(example: Mapping[str, Any]) -> Record:
    """Some or all fields of a parsed tfds example to a record: str, int, arrays; frames stay a list of JPEG bytes."""
    record: Record = {}
    for name, value in example.items():
        if name in TEXTS:
            record[name] = value.decode() if isinstance(value, bytes) else str(value)
        elif name in INTEGERS:
            record[name] = int(value)
        elif name == FRAMES:
            record[name] = list(value)
        else:
            record[name] = value
    return record


def validate(record: Mapping[str, Any]) -> None:
    """Checks the fields that are present. Raises ValueError naming the record and the field."""
    name = record.get("id", "?")
    for field, (shape, dtype) in ARRAYS.items():
        if field not in record:
            continue
        value = record[field]
        fits = value.ndim == len(shape) and all(w in (None, s) for w, s in zip(shape, value.shape, strict=True))
        if not fits or value.dtype != dtype:
            wanted = f"{np.dtype(dtype).name} {shape}"
            raise ValueError(f"record {name}: {field} is {value.dtype} {value.shape}, expected {wanted}")
        if value.dtype == np.float32 and not np.isfinite(value).all():
            raise ValueError(f"record {name}: {field} holds NaN or infinite values")
    if "poses" in record and record["poses"].size:
        confidence = record["poses"][..., 2]
        if confidence.min() < 0 or confidence.max() > 1:
            raise ValueError(f"record {name}: poses have confidences outside [0, 1]")
    if record.get("fps", FPS) != FPS:
        raise ValueError(f"record {name}: fps is {record['fps']}, expected {FPS}; resample the clip first")
    lengths = {field: len(record[field]) for field in ("poses", "music", FRAMES) if field in record}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"record {name}: lengths must agree and not be 0, got {lengths}")
