"""A clip of a data set, of which only what is asked for is read; or one in memory."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from data_pipeline import image_files, schema
from data_pipeline.computed import Values
from data_pipeline.record_files import DamagedError, RecordFiles
from data_pipeline.schema import FRAMES, Record


class ClipView(Protocol):
    """id: of the clip. frames: at 30 fps. row: in its split."""

    id: str
    frames: int
    row: int

    def poses(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, 60, 3) of the frames start to stop - 1, not to be changed."""
        ...

    def image(self, frame: int) -> np.ndarray:
        """A frame (H, W, 3) uint8. Raises DamagedError where its JPEG file does not decode."""
        ...

    def value(self, field: str) -> Any:
        """Any other field of schema.FIELDS, whole."""
        ...


class StoredClip:
    """Of a data set on disk. parts: its record files. first_run, first_picture: rows of the clip's first records."""

    def __init__(
        self, parts: Mapping[str, RecordFiles], row: int, name: str, frames: int, first_run: int, first_picture: int,
        song: int, values: Mapping[str, Values] | None = None,
    ):
        """values: by their kind, what was computed beforehand."""
        self.id, self.frames, self.row = name, frames, row
        self._parts, self._first_run, self._first_picture, self._song = parts, first_run, first_picture, song
        self._values = values or {}

    def poses(self, start: int, stop: int) -> np.ndarray:
        runs = range(start // schema.POSE_RUN, -(-stop // schema.POSE_RUN))
        found = [self._parts["poses"].read(self._first_run + run, self.id)["poses"] for run in runs]
        skipped = runs.start * schema.POSE_RUN
        joined = found[0] if len(found) == 1 else np.concatenate(found)
        return joined[start - skipped : stop - skipped]

    def computed(self, kind: str, frame: int) -> np.ndarray:
        """What was computed of a frame beforehand, see computed.py."""
        return self._values[kind].at(self.row, self.id, frame)

    def tokens(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, S, K) of the frames start to stop - 1, the first of which may lie before the clip's."""
        return self._values["tokens"].between(self.row, self.id, start, stop)

    def picture(self, frame: int) -> bytes:
        """JPEG file of a frame."""
        return self._parts["pictures"].read(self._first_picture + frame, self.id)[FRAMES]

    def image(self, frame: int) -> np.ndarray:
        place = self._parts["pictures"].place(self._first_picture + frame)
        return _decoded(self.picture(frame), f"record {self.id}: damaged in {place}, frame {frame}")

    def value(self, field: str) -> Any:
        part = schema.FIELDS[field][0]
        return self._parts[part].read(self._song if part == "songs" else self.row, self.id)[field]


class MemoryClip:
    """Of a record in memory; its "frames" may be pictures (F, H, W, 3) uint8 or JPEG files."""

    def __init__(self, record: Mapping[str, Any], row: int):
        schema.validate(record)
        self.id, self.row, self._record = record.get("id", str(row)), row, record
        self.frames = next(len(record[name]) for name in ("poses", FRAMES, "music") if name in record)

    def poses(self, start: int, stop: int) -> np.ndarray:
        return self._record["poses"][start:stop]

    def image(self, frame: int) -> np.ndarray:
        return _decoded(self.picture(frame), f"record {self.id}: frame {frame}")

    def picture(self, frame: int) -> bytes:
        picture = self._record[FRAMES][frame]
        return picture if isinstance(picture, bytes) else image_files.encode_jpeg(picture)

    def value(self, field: str) -> Any:
        return self._record[field]


def _decoded(content: bytes, where: str) -> np.ndarray:
    try:
        return image_files.decode_jpeg(content)
    except (OSError, ValueError, SyntaxError) as error:
        raise DamagedError(f"{where} is no JPEG file; copy or prepare the data set again") from error


def record(view: StoredClip | MemoryClip, fields: Sequence[str]) -> Record:
    """The whole clip as a record: its id and `fields`; "frames" as a list of JPEG files."""
    found: Record = {"id": view.id}
    for field in fields:
        if field == "poses":
            found[field] = view.poses(0, view.frames)
        elif field == FRAMES:
            found[field] = [view.picture(frame) for frame in range(view.frames)]
        else:
            found[field] = view.value(field)
    return found


__all__ = ["ClipView", "MemoryClip", "StoredClip", "record"]
