"""Whether painted toy dancers keep the photo's colours.

    python -m benchmarks.toy_model --clips RUN/evaluation/step_N/video/clips [--out FILE.json]

CIE Lab distance between the mean colour of shirt, trousers and skin in the photo and in the painted frames, each under
the mask of the true figure (data_pipeline/toy/masks.py), of clips that `launch.evaluate --suite video` kept of the toy
data set; beside it that of the true frames (`truth`: sleeves are darker than the shirt) and of the next dancer's photo
(`chance`). A line a clip, and how many keep all three within 15.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from absl import flags
from PIL import Image, ImageCms

from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from data_pipeline.toy.masks import GARMENTS, garments
from launch.shell import cli, outputs
from launch.suites.kept import TRUTH, Place
from launch.suites.video import kept_sides
from xdancer_jax.evals.clips import Video

NEAR: Final = 15.0  # CIE Lab
_CLIPS = flags.DEFINE_string("clips", None, "Folder of kept clips.")
_LENGTH = flags.DEFINE_integer("length", 120, "Frames of a clip of the data set.", lower_bound=1)
flags.mark_flags_as_required(["clips"])


class Seen(NamedTuple):
    """Mean colours (3,), sRGB 0-255, by garment."""

    photo: Mapping[str, np.ndarray]
    made: Mapping[str, np.ndarray]
    truth: Mapping[str, np.ndarray]


def lab(colour: np.ndarray) -> np.ndarray:
    """(3,) CIE Lab, L in 0-100, of an sRGB colour."""
    picture = Image.fromarray(np.round(colour).astype(np.uint8).reshape(1, 1, 3))
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    found = ImageCms.profileToProfile(picture, *spaces, outputMode="LAB").getpixel((0, 0))
    return np.array([found[0] * 100 / 255, found[1] - 128, found[2] - 128])


def seen(name: str, truth: Video, made: Video, photo: np.ndarray, length: int) -> Seen:
    """Of a kept clip. Raises ValueError for one that is none of the toy data set."""
    match = re.fullmatch(r"toy-(\d+)-(train|test)-(\d+)", name)
    if not match:
        raise ValueError(f"--clips: {name} is no clip of the toy data set")
    masks = garments(int(match[1]), int(match[3]), match[2], length, *photo.shape[:2])
    first = (length - made.shape[0]) // 2
    middle = {part: mask[first : first + made.shape[0]] for part, mask in masks.items()}
    return Seen(
        {part: photo[mask[0]].mean(axis=0) for part, mask in masks.items()},
        *(
            {part: frames[mask].mean(axis=0) for part, mask in middle.items()}
            for frames in (np.stack(list(video.read())) for video in (made, truth))
        ),
    )  # fmt: skip


def distances(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, float]:
    """CIE Lab, by garment."""
    return {part: float(np.linalg.norm(lab(one[part]) - lab(other[part]))) for part in GARMENTS}


def measured(folder: Path, length: int) -> dict:
    """"near", clips whose three colours are, by side; "clips", distances by name, side and garment. Raises ValueError
    for a folder without kept clips of the toy data set."""
    names = sorted(path.stem.removesuffix(TRUTH) for path in folder.glob(f"*{TRUTH}.npz"))
    if not names:
        raise ValueError(f"--clips={folder}: no kept clips; make them with launch.evaluate --suite video")
    sides = kept_sides(Place(folder.parents[1], folder.parent.name, None, {}), names)
    clips = zip(names, *sides, strict=True)
    found = {name: seen(name, truth, made, photo(), length) for name, truth, made, photo in clips}
    rows = {}
    for i, (name, clip) in enumerate(found.items()):
        other = found[names[(i + 1) % len(names)]]
        rows[name] = {
            "made": distances(clip.photo, clip.made), "truth": distances(clip.photo, clip.truth),
            "chance": distances(clip.photo, other.photo),
        }
    near = {side: sum(max(row[side].values()) <= NEAR for row in rows.values()) for side in ("made", "truth", "chance")}
    return {"near": near, "clips": rows}


def main(argv: list[str]) -> None:
    del argv
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    found = measured(Path(_CLIPS.value), _LENGTH.value)
    for name, row in found["clips"].items():
        print(name, *(f"{part} {value:.1f}" for part, value in row["made"].items()))
    print(f"all three within {NEAR:g} of the photo's: {found['near']} of {len(found['clips'])}")
    if OUT.value:
        write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main, computes=False)
