"""Video in and out of files (PyAV).

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used; each is one line that names it.
OSError for one that cannot be written; nothing half-written is left behind.
"""

import io
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from data_pipeline.containers import opened
from data_pipeline.files import existing, write_atomically

_CRF = 18
_COMPLETE = 0.95  # share of the announced length that must decode, else the file is called truncated
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def iter_video(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """Frames of a video one at a time, each (H, W, 3) uint8, upright; for clips too long to hold."""
    path = existing(path)
    count = 0
    with opened(path, "video") as (container, stream):
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            picture = frame.to_ndarray(format="rgb24")
            count += 1
            yield np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90))) if frame.rotation else picture
        expected = stream.frames
    if count == 0:
        raise ValueError(f"{path}: its video stream holds no frames")
    if count < _COMPLETE * expected - 1:
        raise ValueError(f"{path}: truncated, {count} of {expected} frames decode")


def video_fps(path: str | os.PathLike) -> float:
    """Frames per second of a video (the average, where it varies)."""
    path = existing(path)
    with opened(path, "video") as (_, stream):
        rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise ValueError(f"{path}: states no frame rate")
    return float(rate)


def write_video(
    path: str | os.PathLike,
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float = 30,
    audio: np.ndarray | None = None,
    audio_rate: int | None = None,
) -> None:
    """Writes an MP4: H.264 yuv420p (crf 18) and AAC. The file appears under its name only when it is complete.

    Args:
        path: ends in .mp4; its folder exists.
        frames: F frames (H, W, 3) uint8 of one even height and width (yuv420p halves both), as an array or iterator.
        fps: frames per second.
        audio: (N,) mono, int16 or float in [-1, 1]; cut at the end of the video.
        audio_rate: of `audio`, in Hz.

    Raises:
        ValueError: no frames, odd or changing size, wrong dtype, audio without a rate.
        OSError: the folder is missing, read-only or full.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"{path}: videos are written as .mp4; rename it")
    if audio is not None and not audio_rate:
        raise ValueError("audio_rate: needed with audio")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{path}: no frames to write")
    memory = io.BytesIO()  # compressed: megabytes a minute. Disk errors then come from plain Python writes.
    with av.open(memory, "w", format="mp4") as container:
        # Streams are declared before the first packet is muxed.
        video = _video_stream(container, first, fps)
        sound = None if audio is None else _audio_stream(container, audio_rate)
        count = 0
        for picture in _chain(first, frames):
            if picture.shape != first.shape or picture.dtype != np.uint8:
                raise ValueError(
                    f"frames: frame {count} is {picture.dtype} {picture.shape}, expected uint8 {first.shape}"
                )
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
            count += 1
        container.mux(video.encode(None))
        if sound is not None:
            _encode_audio(container, sound, audio[: round(count / fps * audio_rate)], audio_rate)
    write_atomically(path, memory.getbuffer())


def _chain(first, rest):
    yield first
    yield from rest


def _video_stream(container, picture: np.ndarray, fps: float):
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"frames: expected (H, W, 3) pictures, got {picture.shape}")
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"frames: H.264 needs an even height and width, got {height}x{width}; crop or pad it")
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    stream.options = {"crf": str(_CRF), "preset": "medium"}
    return stream


def _audio_stream(container, rate: int):
    encoded_rate = min((r for r in _AAC_RATES if r >= rate), default=_AAC_RATES[-1])
    return container.add_stream("aac", rate=encoded_rate, layout="mono")


def _encode_audio(container, stream, audio: np.ndarray, rate: int) -> None:
    if audio.ndim != 1:
        raise ValueError(f"audio: expected mono samples (N,), got shape {audio.shape}")
    samples = audio.astype(np.float32) / (32768 if audio.dtype == np.int16 else 1)
    frame = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate, frame_size=1024)
    for source in (frame, None):
        for block in resampler.resample(source):
            container.mux(stream.encode(block))
    container.mux(stream.encode(None))


__all__ = ["iter_video", "video_fps", "write_video"]
