"""Small videos with sound, an estimator that reads poses off their pictures, and sets made of both."""

import csv
import struct
from fractions import Fraction
from pathlib import Path
from unittest import mock

import av
import numpy as np

from data_pipeline import video_files
from data_pipeline.preparation import estimators, videos
from data_pipeline.preparation.jobs import Job, Made
from tests import data_sets, media

_make = videos.make
FPS, HEIGHT, WIDTH = 15, 64, 96
RATE = 22050


class Estimator:
    """Someone who stands in the middle and lifts as the picture brightens; where the corner is red, beside someone of
    six tenths of the height, who is seen less surely.

    In a picture of 64x96 the body is 40 pixels high and 20 wide, and 16 levels lift it by a pixel.
    """

    name, version = "planted", "1"

    def video(self, frames):
        for _, picture in frames:
            yield self._pose(picture)

    def everyone(self, picture):
        dancer = self._pose(picture)
        red = picture[2, 2, 0] > 200 and picture[2, 2, 1] < 100
        return [dancer, dancer * np.float32((1, 0.6, 0.8))] if red else [dancer]

    def _pose(self, picture):
        height, width = picture.shape[:2]
        scale = height / HEIGHT
        pose = np.ones((60, 3), np.float32)
        pose[:, 0] = width / 2 + scale * np.linspace(-10, 10, 60)
        pose[:, 1] = scale * (np.linspace(10, 50, 60) - int(picture[height // 2, width // 2, 1]) / 16)
        return pose


def plant(monkeypatch) -> None:
    """Puts the estimator in the place of all."""
    made = Estimator()
    monkeypatch.setattr(estimators, "estimator", lambda **settings: made)


def make(job: Job, folder: Path) -> list[Made]:
    """videos.make with the estimator, in whatever process."""
    made = Estimator()
    with mock.patch.object(estimators, "estimator", lambda **settings: made):
        return _make(job, folder)


def write(
    path: Path, frames: int = 30, sound: bool = True, shift: int = 0, red: bool = False, seed: int = 0, loud: float = 1,
) -> Path:
    """Frame t is grey, its middle of level 4 t; sound is a click track at two beats a second."""
    pictures = np.full((frames, HEIGHT, WIDTH, 3), 90, np.uint8)
    pictures[:, 16:48, 32:64] = (shift + 4 * np.arange(frames, dtype=np.uint8))[:, None, None, None]
    if red:
        pictures[:, :8, :8] = 255, 0, 0
    audio = None
    if sound:
        audio = np.random.default_rng(seed).normal(0, 0.01, round(RATE * frames / FPS)).astype(np.float32)
        audio[:: RATE // 2] = 1
        audio *= loud
    video_files.write_video(path, pictures, FPS, audio, RATE)
    return path


def prepare(folder: Path, where: Path, **fields) -> str:
    """The set of the videos at `where` in `folder`/data, by limits that such videos pass."""
    known = {
        "videos": str(where), "height": 56, "width": 32, "filters.seconds": 1.0, "filters.person_box": 0.01,
        "split.by": "id", "split.test_share": 0.5, **fields,
    }
    return data_sets.prepare("videos", folder / "data", known)


def table(folder: Path, *rows: str) -> Path:
    """A table of rows FILE,SPLIT,SONG."""
    (folder / "t.csv").write_text("\n".join(("file,split,song", *rows)))
    return folder / "t.csv"


def rejects(folder: Path) -> dict[str, tuple[str, str]]:
    """Reason and detail by clip, of what `prepare` left out."""
    _, *rows = csv.reader((folder / "data" / "videos.report" / "rejects.csv").read_text().splitlines())
    return {row[0]: (row[2], row[3]) for row in rows}


def film(
    path: Path, height: int = HEIGHT, width: int = WIDTH, fps: int = 30, seconds: float = 1.5, *, turned: int = 0,
    aspect: Fraction = Fraction(1), pix_fmt: str = "yuv420p", interlaced: bool = False, codec: str = "libx264",
) -> Path:
    """A video that looks upright and of square pixels if it is read as it says: blue above, red below, green between,
    and in the middle a square, a quarter of the height wide, which is white while a click of tests/media.py is heard.

    height, width: of the upright picture with square pixels. turned: degrees, counterclockwise, by which it lies in
    the file, which states it. aspect: width over height of a pixel in the file.
    """
    times = np.arange(round(seconds * fps)) / fps
    clicks = media.click_times(seconds)
    with av.open(str(path), "w") as file:
        lying = np.rot90(_scene(height, width, False), turned // 90).shape
        video = file.add_stream(codec, rate=fps)
        video.height, video.width, video.pix_fmt = lying[0], round(lying[1] / aspect), pix_fmt
        video.options = {"preset": "ultrafast", "crf": "10"} if codec == "libx264" else {"qmin": "1", "q": "2"}
        video.codec_context.sample_aspect_ratio = aspect
        if interlaced:
            video.options |= {"flags": "+ildct+ilme"}
        sound = file.add_stream("aac", rate=44_100, layout="mono")
        for time in times:
            white = bool(((clicks > time - 1e-6) & (clicks < time + 1 / fps - 1e-6)).any())
            picture = np.ascontiguousarray(np.rot90(_scene(height, width, white), turned // 90))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(video.width, video.height, pix_fmt)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        media.encode(file, sound, media.clicks(seconds)[None], 44_100)
    if turned:
        path.write_bytes(_turned_back(path.read_bytes(), turned))
    return path


def _scene(height: int, width: int, white: bool) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 1], side = 120, height // 8
    picture[: height // 8] = 0, 0, 230
    picture[-(height // 8) :] = 230, 0, 0
    middle = picture[height // 2 - side : height // 2 + side, width // 2 - side : width // 2 + side]
    middle[:] = 250 if white else 20
    return picture


def _turned_back(content: bytes, degrees: int) -> bytes:
    """An MP4 whose first track says that it is to be shown turned by so much clockwise."""
    place = content.index(b"tkhd") + 4 + 40
    cos, sin = (round(f(np.radians(degrees))) for f in (np.cos, np.sin))
    matrix = struct.pack(">9i", cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    return content[:place] + matrix + content[place + 36 :]
