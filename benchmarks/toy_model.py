r"""What the model that comes with the project reaches on toy dancers that it never saw (docs/toy_model.md).

    python -m launch.evaluate --run DIR/autoencoder --data DATA --suite reconstruction --protocols psnr_float
    python -m launch.evaluate --run DIR/motion --data DATA --suite motion
    python -m launch.evaluate --run DIR/video --data DATA --suite video \
        --protocols psnr_float,ssim_gaussian,frame_l1_mean,flicker_second_difference
    python -m benchmarks.toy_model --runs DIR [--out FILE.json]

Reads what these wrote, prints each figure beside its bar, and writes the table that launch.demo shows. Colours are
measured here, of the kept clips: CIE Lab distance between the mean colour of shirt, trousers and skin in the photo and
in the painted frames, each under the mask of the true figure (data_pipeline/toy/masks.py); beside it that of the true
frames (sleeves are darker than the shirt) and of the next dancer's photo (chance). A dancer counts who keeps all three.
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
from launch.reporting import entries
from launch.shell import cli, outputs
from launch.suites.kept import TRUTH, Place
from launch.suites.video import kept_sides
from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.clips import Video

NEAR: Final = 15.0  # CIE Lab
_BESIDE: Final = ("low", "high", "chance", "photo", "truth")
COLOURS: Final = "toy_colours_lab15"  # the protocol
_RUNS = flags.DEFINE_string("runs", None, "Folder with the runs autoencoder/, motion/ and video/.")
_LENGTH = flags.DEFINE_integer("length", 120, "Frames of a clip of the data set.", lower_bound=1)
flags.mark_flags_as_required(["runs"])


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
        raise ValueError(f"{name} is no clip of the toy data set")
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
        raise ValueError(f"{folder}: no kept clips; make them with launch.evaluate --suite video")
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


class Figure(NamedTuple):
    """A figure and its bar, in words and as it is held against it. low, high: its interval; chance, photo, truth: the
    same of what it is held against, where there is such a thing."""

    figure: str
    value: float
    bar: str
    reached: bool
    protocol: str
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    photo: float | None = None
    truth: float | None = None

    def as_dict(self) -> dict:
        return {name: value for name, value in self._asdict().items() if value is not None}


def figures(runs: Path, length: int) -> tuple[list[Figure], int]:
    """The figures of the runs in a folder, and of how many clips. Raises ValueError for one that was not measured."""
    video, motion, first = (entries.read(str(runs / name)) for name in ("video", "motion", "autoencoder"))
    psnr, ssim, l1 = (_values(video, name) for name in ("psnr_float", "ssim_gaussian", "frame_l1_mean"))
    flicker, beats = _values(video, "flicker_second_difference"), _values(motion, "bas_masked_100ms")
    diversity, pixels = _values(motion, "div_gtnorm_kinetic_2d"), _values(first, "psnr_float")
    colours = measured(Path(str(video.folder / entries.FOLDER / f"step_{video.step}" / "video" / "clips")), length)
    near, count = colours["near"], len(colours["clips"])
    kept = Bootstrap()(np.array([max(row["made"].values()) <= NEAR for row in colours["clips"].values()], np.float64))
    photo, real = psnr["repeat_photo"], diversity["ground_truth"]
    gain = {side: psnr[side] - photo for side in ("low", "high", "chance")}
    spread, steady = diversity["diversity"] / real, flicker["ratio"]
    rows = [
        Figure("PSNR above the photo's, dB", psnr["score"] - photo, "4 or more", psnr["score"] - photo >= 4,
               "psnr_float", **gain),
        _beside("SSIM", ssim, "above the photo's", ssim["score"] > ssim["repeat_photo"], "ssim_gaussian"),
        _beside("frame L1", l1, "below the photo's", l1["score"] < l1["repeat_photo"], "frame_l1_mean"),
        Figure(f"dancers in the photo's colours, of {count}", near["made"], f"{-(-14 * count // 16)} or more",
               near["made"] * 16 >= 14 * count, COLOURS, kept.low * count, kept.high * count, near["chance"],
               truth=near["truth"]),
        Figure("beats, way from chance to truth", beats["fraction"], "0.7 or more", beats["fraction"] >= 0.7,
               "bas_masked_100ms", *_way(beats), chance=0.0, truth=1.0),
        Figure("diversity over the truth's", spread, "0.5 to 2", 0.5 <= spread <= 2, "div_gtnorm_kinetic_2d",
               diversity["low"] / real, diversity["high"] / real, diversity["chance"] / real, 0.0, 1.0),
        Figure("flicker over the truth's", steady, "1.5 or less", steady <= 1.5, "flicker_second_difference",
               flicker["low"] / flicker["truth"], flicker["high"] / flicker["truth"], truth=1.0),
        _beside("autoencoder's PSNR, dB", pixels, "30 or more", pixels["score"] >= 30, "psnr_float", photo=False),
    ]  # fmt: skip
    return rows, count


def _values(entry: entries.Entry, protocol: str) -> Mapping[str, float]:
    for found in entry.found:
        if found.result.protocol == protocol:
            return found.result.values
    raise ValueError(f"{entry.folder}: {protocol} was not measured; use launch.evaluate as --help says")


def _beside(
    name: str, values: Mapping[str, float], bar: str, reached: bool, protocol: str, photo: bool = True
) -> Figure:
    ends = values["low"], values["high"], values["chance"], values["repeat_photo"] if photo else None
    return Figure(name, values["score"], bar, reached, protocol, *ends)


def _way(beats: Mapping[str, float]) -> tuple[float, float]:
    """The interval of the score on the scale of the fraction, chance and truth taken as they are."""
    whole = beats["ground_truth"] - beats["ground_truth_chance"]
    return tuple((beats[end] - beats["chance"]) / whole for end in ("low", "high"))


def main(argv: list[str]) -> None:
    del argv
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    rows, count = figures(Path(_RUNS.value), _LENGTH.value)
    for row in rows:
        beside = ", ".join(f"{side} {value:.4g}" for side in _BESIDE if (value := getattr(row, side)) is not None)
        print(f"{row.figure:<38} {row.value:8.4g}  {row.bar:<18} {'' if row.reached else 'NOT '}reached  ({beside})")
    if OUT.value:
        content = {"clips": count, "figures": [row.as_dict() for row in rows]}
        write_atomically(Path(OUT.value), (json.dumps(content, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main, computes=False)
