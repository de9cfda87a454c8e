"""What a suite leaves: clips, each whole or not there, and a JSON file for each protocol.

    FOLDER/SUITE/PROTOCOL.json
    FOLDER/SUITE/clips/NAME.npz, NAME.mp4, NAME_truth.npz, NAME_truth.mp4

FOLDER is RUN/evaluation/step_N, or --out of videos from elsewhere. An .npz of a clip is a pose file (pose_files.py
reads it): "poses" (F, 60, 3) in pixels, "height", "width", "fps", "tokens" (F, S, K); beside them "beats" (frames),
"song", and "frame_00000", ...: each picture as the bytes of a PNG file, which loses nothing, as an .mp4 does.
"""

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_pipeline import npz_files, provenance
from data_pipeline.files import write_atomically
from xdancer_jax.evals.protocols import Result

FORMAT = 1
TRUTH = "_truth"
HEIGHT, WIDTH = 512, 288  # of the picture that kept poses without pictures are in
_MADE_OF = "made_of"  # member of an .npz: what the clip depends on, as JSON


def source(file: str, name: str) -> str | None:
    """What `file` of the clip `name`, its made one or the true one, says of where its pictures come from."""
    return provenance.GENERATED if file == name else None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a suite's files lie, and what they depend on.

    Attributes:
      folder: of a checkpoint, or of videos from elsewhere.
      suite: motion, reconstruction or video.
      step: of the checkpoint, None for videos from elsewhere.
      made_of: what a clip depends on beside its own content: weights, data, seed.
    """

    folder: Path
    suite: str
    step: int | None
    made_of: Mapping[str, Any]

    @property
    def results(self) -> Path:
        return self.folder / self.suite

    @property
    def clips(self) -> Path:
        return self.results / "clips"

    def clip(self, name: str, suffix: str = ".npz") -> Path:
        """The file of a clip; `name` is one of `names`, and may end in TRUTH."""
        return self.clips / f"{name}{suffix}"

    def has(self, name: str, number: int = 0) -> bool:
        """Whether the clip is there whole, made of what is asked for now."""
        try:
            found = npz_files.read(self.clip(name), [_MADE_OF])
            return json.loads(str(found[_MADE_OF])) == self._stated(number)
        except (OSError, ValueError, KeyError):
            return False

    def write(
        self, name: str, arrays: Mapping[str, np.ndarray | None], frames: Iterable[np.ndarray] = (), number: int = 0
    ) -> None:
        """The .npz of a clip: `arrays` that are not None, and its pictures (H, W, 3) uint8. To be written last of the
        clip's files: where it is, all are. number: of the clip in its split, of which its seed is made."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
            for key, array in {**arrays, _MADE_OF: np.array(json.dumps(self._stated(number)))}.items():
                if array is not None:
                    _add(file, key, np.asarray(array))
            for index, frame in enumerate(frames):
                _add(file, f"frame_{index:05d}", np.frombuffer(_png(frame), np.uint8))
        write_atomically(self.clip(name), content.getbuffer(), durable=False)

    def _stated(self, number: int) -> dict[str, Any]:
        return json.loads(json.dumps({**self.made_of, "number": number}))


def _add(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with file.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:  # no clock: same bytes each time
        np.lib.format.write_array(member, array, allow_pickle=False)


def _png(frame: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "PNG", compress_level=1)
    return content.getvalue()


def frames(path: Path) -> Iterator[np.ndarray]:
    """The pictures (H, W, 3) uint8 of a kept clip, one at a time. Raises ValueError for a damaged file."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            for name in sorted(name for name in file.files if name.startswith("frame_")):
                yield np.asarray(Image.open(io.BytesIO(file[name].tobytes())).convert("RGB"))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: damaged ({error}); remove it, and evaluate again") from error


def shape(path: Path) -> tuple[int, int, int]:
    """(frames, height, width) of a kept clip's pictures. Raises ValueError for a clip without."""
    count = sum(name.startswith("frame_") for name in npz_files.names(path))
    first = next(frames(path), None)
    if first is None:
        raise ValueError(f"{path}: holds no pictures")
    return count, *first.shape[:2]


def names(ids: Sequence[str]) -> list[str]:
    """Of clips, as they can stand in names of files. Raises ValueError for two that become one."""
    found = [re.sub(r"[^\w.-]+", "_", each) for each in ids]
    double = sorted({name for name in found if found.count(name) > 1})
    if double:
        raise ValueError(f"two clips would be kept as {double[0]}; give clips ids that differ in letters or digits")
    return found


def result_file(place: Place, protocol: str) -> Path:
    """Of a protocol."""
    return place.results / f"{protocol}.json"


def has_result(place: Place, protocol: str, source: Mapping[str, Any], weights: Mapping[str, Any]) -> bool:
    """Whether the protocol's result is there and was measured under `source` by `weights`."""
    try:
        found = json.loads(result_file(place, protocol).read_text())
        known = found["result"]["source"]
        return (
            found["format"] == FORMAT and found["weights"] == dict(weights)
            and json.loads(json.dumps(dict(source))).items() <= known.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def write_result(place: Place, result: Result, source: Mapping[str, Any], about: Mapping[str, Any]) -> Path:
    """PROTOCOL.json; about: "data", "weights", "command", "versions", "date"."""
    stated = dataclasses.replace(result, source={**result.source, **source})
    content = {
        "format": FORMAT, "suite": place.suite, "step": place.step, "result": json.loads(stated.as_json()), **about,
    }
    path = result_file(place, result.protocol)
    write_atomically(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode(), durable=False)
    return path


__all__ = [
    "FORMAT", "HEIGHT", "TRUTH", "WIDTH", "Place", "frames", "has_result", "names", "result_file", "shape",
    "write_result",
]
