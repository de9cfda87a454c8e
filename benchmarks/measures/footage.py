"""Footage for benchmarks: copies of a video that differ by a byte, videos of any length, songs; and how they are
prepared, poses by MediaPipe and every filter loosened, so that each clip is kept."""

import csv
import io
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from PIL import Image

from configs.data import get_config
from data_pipeline import toy, video_files
from data_pipeline.preparation.jobs import Job
from launch.preparing import plans

FPS: Final = 30
_RATE: Final = 44_100  # Hz
_LOOP: Final = 240  # frames, at most
_LIMITS: Final = {
    "seconds": 0.0, "second_person": 1.0, "person_box": 0.0, "corner_deviation": 255.0,
}


def write_copies(video: Path, folder: Path, count: int) -> list[Path]:
    """Files of other bytes and the same content: each ends in a box "free" of its own, which readers of MP4 pass over.

    Raises ValueError for a video in another container."""
    content = video.read_bytes()
    if content[4:8] not in (b"ftyp", b"moov", b"wide", b"mdat"):
        raise ValueError(f"{video}: no MP4 or MOV file, of which copies can be made that differ")
    found = []
    for number in range(count):
        path = folder / f"copy{number:03d}{video.suffix}"
        path.write_bytes(content + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
        found.append(path)
    return found


def write_table(path: Path, videos: Sequence[Path], song: Path | None = None) -> Path:
    """What --config.videos takes: the last video is the test split; `song` takes the place of their sound."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "id", "split", *(["music"] if song else [])])
        for number, video in enumerate(videos):
            split = "test" if number == len(videos) - 1 else "train"
            rows.writerow([video, f"clip{number:03d}", split, *([song] if song else [])])
    return path


def settings(table: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Fields of configs/data.py:videos, with no limit that drops a clip."""
    limits = {f"filters.{name}": value for name, value in _LIMITS.items()}
    return {"videos": str(table), "height": size[0], "width": size[1], **limits}


def jobs(table: Path, size: tuple[int, int]) -> Sequence[Job]:
    """Of the videos, as launch.prepare has them."""
    config = get_config("videos")
    config.update_from_flattened_dict(settings(table, size))
    return plans.plan(config, "").jobs


def arguments(table: Path, data: Path, size: tuple[int, int], workers: int = 1) -> list[str]:
    """Of launch.prepare."""
    given = {**settings(table, size), "workers": workers}
    fields = (f"--config.{name}={value}" for name, value in given.items())
    return ["--config=configs/data.py:videos", f"--data={data}", *fields]


def write_song(path: Path, seconds: float) -> Path:
    """A toy song as .wav."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", ""))
        file.writeframes(_pcm(seconds).tobytes())
    return path


def _pcm(seconds: float) -> np.ndarray:
    audio = toy.make_song(np.random.default_rng(0), 0, min(seconds, 60.0), _RATE).audio
    return np.resize(np.round(audio * 32767).astype(np.int16), round(seconds * _RATE))


def write_video(path: Path, seconds: float, height: int, width: int, of: str = "") -> Path:
    """H.264 at 30 fps and AAC: a toy dancer, or the first frames of the video `of` to and fro, again and again.

    The frames of one turn are encoded once, and their packets repeated."""
    pictures = _loop(height, width, of, round(seconds * FPS))
    packets = _encoded(pictures)
    with av.open(str(path), "w") as file:
        with av.open(packets) as loop:
            video = file.add_stream_from_template(loop.streams.video[0])
            sound = file.add_stream("aac", rate=_RATE, layout="mono")
            turn = [(packet.pts, packet.is_keyframe, bytes(packet)) for packet in loop.demux(video=0) if packet.size]
            base, step = loop.streams.video[0].time_base, Fraction(1, FPS)
        for number in range(round(seconds * FPS)):
            pts, key, content = turn[number % len(turn)]
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = video, base, key
            packet.pts = packet.dts = round(number * step / base)
            file.mux(packet)
        _add_sound(file, sound, seconds)
    return path


def _add_sound(file, stream, seconds: float) -> None:
    samples = _pcm(seconds)
    for start in range(0, len(samples), _RATE):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + _RATE], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = _RATE, start, Fraction(1, _RATE)
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def _loop(height: int, width: int, of: str, most: int) -> list[np.ndarray]:
    count = min(_LOOP, most)
    if not of:
        return list(toy.make_clip(0, 0, "train", max(count, FPS), height, width)["frames"][:count])
    found = []
    for frame in video_files.iter_video(of):
        found.append(np.asarray(Image.fromarray(frame.picture).resize((width, height))))
        if len(found) == count // 2:
            break
    return found + found[::-1]


def _encoded(pictures: Sequence[np.ndarray]):
    """An MP4 file in memory: packets in the order of display, the first a key frame."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=FPS)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"preset": "veryfast", "bf": "0", "crf": "23"}
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    memory.seek(0)
    return memory


__all__ = [
    "FPS", "arguments", "jobs", "settings", "write_copies", "write_song", "write_table", "write_video",
]
