"""What a data set holds, and where: the parts of its folder, their records, units, and what makes a record whole.

Each part is a data set of TFDS with ArrayRecord files, whose records lie in the order of the index:

    clips     of a clip its texts, music, beats and provenance
    poses     of a clip its poses, POSE_RUN frames a record: a window of a long clip reads little more than itself
    pictures  of a clip its frames, one a record
    songs     of a song its sound, once for all the clips that are danced to it
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from data_pipeline.music import FPS
from data_pipeline.skeleton import NUM_JOINTS

Record = dict[str, Any]

POSE_RUN: Final = 32  # frames
VERSION: Final = "1.0.0"  # of the parts, for TFDS
SONGS_SPLIT: Final = "songs"  # the one split of the part "songs"

# Field -> (part, shape, numpy dtype). None is a length: F frames at 30 fps, N samples, M columns. Units:
#   poses       x right, y down, centred on the frame, divided by half the frame height; confidence in [0, 1]
#   music       raw features of the set's FeatureSet, row t at t / 30 s
#   beats       frames of the beats of the music, increasing
#   frames      JPEG files, all of one height and width
#   audio       PCM, mono, at audio_rate Hz; the clip begins at song_start seconds
#   provenance  JSON: source, its digest, start and stop in it, who found the poses, crop box, scores of the filters
FIELDS: Final = {
    "id": ("clips", (), np.str_), "dancer": ("clips", (), np.str_), "provenance": ("clips", (), np.str_),
    "song": ("clips", (), np.str_), "style": ("clips", (), np.int32), "fps": ("clips", (), np.int32),
    "song_start": ("clips", (), np.float32),
    "music": ("clips", (None, None), np.float32), "beats": ("clips", (None,), np.int32),
    "poses": ("poses", (None, NUM_JOINTS, 3), np.float32),
    "frames": ("pictures", (), np.object_),
    "audio": ("songs", (None,), np.int16), "audio_rate": ("songs", (), np.int32),
}
FRAMES: Final = "frames"
PARTS: Final = ("clips", "poses", "pictures", "songs")
DEFAULTS: Final = {"dancer": "", "provenance": "{}", "song": "", "style": 0, "fps": FPS, "song_start": 0.0}


def fields_of(part: str) -> tuple[str, ...]:
    """Names of the fields that lie in a part."""
    return tuple(name for name, (where, _, _) in FIELDS.items() if where == part)


def tfds_features(part: str, width: int | None):
    """The tfds FeaturesDict of a part. Arrays lie as raw bytes: parsing them costs nothing.

    width: of the music; None for a set without music.
    """
    import tensorflow_datasets as tfds

    made = {}
    for name in fields_of(part):
        _, shape, dtype = FIELDS[name]
        if name in ("music", "beats") and width is None:
            continue
        if dtype is np.str_:
            made[name] = tfds.features.Text()
        elif shape == ():
            made[name] = tfds.features.Tensor(shape=(), dtype=dtype)
        else:
            shape = (None, width) if name == "music" else shape
            made[name] = tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes")
    if part == "songs":
        made["id"] = tfds.features.Text()
    return tfds.features.FeaturesDict(made)


def decode(example: Mapping[str, Any]) -> Record:
    """A parsed tfds example to a record of str, int, float, bytes and arrays; names that no set has are arrays."""
    record: Record = {}
    for name, value in example.items():
        dtype = FIELDS[name][2] if name in FIELDS else None
        if dtype is np.str_:
            record[name] = value.decode() if isinstance(value, bytes) else str(value)
        elif dtype is np.object_:
            record[name] = bytes(value)
        else:
            record[name] = value if np.ndim(value) else np.asarray(value).item()
    return record


def validate(record: Mapping[str, Any]) -> None:
    """Checks the fields that are present of a whole clip. Raises ValueError naming the clip and the field."""
    name = record.get("id", "?")
    for field, (_, shape, dtype) in FIELDS.items():
        if field not in record or not shape:
            continue
        value = record[field]
        fits = value.ndim == len(shape) and all(w in (None, s) for w, s in zip(shape, value.shape, strict=True))
        if not fits or value.dtype != dtype:
            wanted = f"{np.dtype(dtype).name} {shape}"
            raise ValueError(f"record {name}: {field} is {value.dtype} {value.shape}, expected {wanted}")
    check_numbers(record)
    if record.get("fps", FPS) != FPS:
        raise ValueError(f"record {name}: fps is {record['fps']}, expected {FPS}; resample the clip first")
    lengths = {field: len(record[field]) for field in ("poses", "music", FRAMES) if field in record}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"record {name}: lengths must agree and not be 0, got {lengths}")
    beats = record.get("beats", np.zeros(0, np.int32))
    inside = len(beats) == 0 or not lengths or (beats[0] >= 0 and beats[-1] < max(lengths.values()))
    if not inside or (np.diff(beats) <= 0).any():
        raise ValueError(f"record {name}: beats must be increasing frames of the clip")


def check_numbers(record: Mapping[str, Any]) -> None:
    """Raises ValueError, naming clip and field, for NaN, infinity and confidences outside [0, 1]."""
    name = record.get("id", "?")
    for field in ("poses", "music"):
        if field in record and not np.isfinite(record[field]).all():
            raise ValueError(f"record {name}: {field} holds NaN or infinite values")
    if "poses" in record and record["poses"].size:
        confidence = record["poses"][..., 2]
        if confidence.min() < 0 or confidence.max() > 1:
            raise ValueError(f"record {name}: poses have confidences outside [0, 1]")
