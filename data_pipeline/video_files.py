"""Video in and out of files (PyAV).

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used; each is one line that names it.
OSError for one that cannot be written; nothing half-written is left behind.
"""

import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
from PIL import Image

from data_pipeline import frame_times, provenance
from data_pipeline.containers import opened
from data_pipeline.cut_files import lost_frames
from data_pipeline.files import existing, write_atomically

_CRF = 18
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_TICKS: Final = 90_000  # of a written video's clock in a second: 24, 25 and 30 fps are whole numbers of them
_USUAL_FPS: Final = 30  # of a file that states neither times nor a rate
_NEARLY_SQUARE: Final = 0.01  # pixels that are wider than high by less than this share stay as they are
_WIDEST: Final = 4  # width over height of a pixel, or the other way round; beyond, the file is wrong
_MOST_PIXELS: Final = 8192 * 8192


class Frame(NamedTuple):
    """seconds from the video's first frame; picture (H, W, 3) uint8, upright, with square pixels."""

    seconds: float
    picture: np.ndarray


class Trouble(NamedTuple):
    """What is wrong with a video that is read all the same, in one line; frames that are cut off or broken; a name for
    its kind, to count it."""

    text: str
    lost: int = 0
    kind: str = "damaged"


def warn(trouble: Trouble) -> None:
    """Logs it."""
    logging.getLogger(__name__).warning(trouble.text)


def iter_video(path: str | os.PathLike, tell: Callable[[Trouble], None] = warn) -> Iterator[Frame]:
    """Frames of a video one at a time, for clips too long to hold; all of the size of the first.

    Times are those of presentation (frame_times.Clock says what becomes of absent and disordered ones). Pixels that are
    not square are made so, keeping the height. A frame of another size is scaled into the first's and centred there.

    Args:
        tell: called once where the size changes, once where frames are interlaced, which are shown as they are, and
            at the end where frames are cut off or do not decode.
    """
    path = existing(path)
    broken, shown, size, resized, interlaced = 0, 0, None, False, False
    with opened(path, "video") as (container, stream):
        stream.thread_type = "SLICE"  # threads by frames take good frames along with one that does not decode
        if stream.width * stream.height > _MOST_PIXELS:
            raise ValueError(f"{path}: its pictures of {stream.height}x{stream.width} are too large; scale them down")
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}  # of pictures that say it only themselves
        clock = frame_times.Clock(float(1 / (stream.average_rate or stream.guessed_rate or _USUAL_FPS)))
        wider = _pixel_aspect(path, stream)
        for frame in _frames(container, stream):
            if frame is None:
                broken += 1
                continue
            picture = _upright(frame, wider)
            if frame.interlaced_frame and not interlaced:
                interlaced = True
                tell(Trouble(f"{path}: interlaced, moving edges look like combs; deinterlace it", kind="interlaced"))
            if picture.shape != (size or picture.shape):
                if not resized:
                    tell(Trouble(_resized(path, shown, size, picture.shape), kind="resized"))
                resized, picture = True, _fitted(picture, *size[:2])
            size = picture.shape
            shown += 1
            yield Frame(clock(frame.time), picture)
        seconds = (clock.last or 0.0) + clock.spacing
        lost = lost_frames(path, stream, shown, seconds, broken)
    if shown == 0:
        raise ValueError(f"{path}: its video stream holds no frames that decode")
    if lost:
        tell(Trouble(f"{path}: the file is cut off or damaged: {shown} of {shown + lost} frames are there", lost))


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames, and None for each packet that does not decode; what comes after it may."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the rest of the file cannot be read
            yield None
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            yield None


def _pixel_aspect(path: Path, stream: Any) -> Fraction:
    """Width over height of a pixel, 1 where the file states none."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not 1 / _WIDEST <= aspect <= _WIDEST:
        raise ValueError(f"{path}: states pixels {float(aspect):g} times as wide as high; encode it with square ones")
    return aspect if abs(aspect - 1) > _NEARLY_SQUARE else Fraction(1)


def _upright(frame: Any, wider: Fraction) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24", width=max(1, round(frame.width * wider)), height=frame.height)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90))) if frame.rotation else picture


def _fitted(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture as large as fits, in the middle of a black one of height x width."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = [max(1, round(scale * length)) for length in picture.shape[:2]]
    y, x = (height - inner[0]) // 2, (width - inner[1]) // 2
    whole = np.zeros((height, width, 3), np.uint8)
    scaled = Image.fromarray(picture).resize((inner[1], inner[0]), Image.Resampling.BICUBIC)
    whole[y : y + inner[0], x : x + inner[1]] = scaled
    return whole


def _resized(path: Path, shown: int, first: tuple[int, ...], then: tuple[int, ...]) -> str:
    return (
        f"{path}: its pictures are {first[0]}x{first[1]} at first and {then[0]}x{then[1]} from frame {shown} on; all "
        "are scaled into the first size"
    )


def write_video(
    path: str | os.PathLike,
    frames: np.ndarray | Iterable[np.ndarray],
    fps: float = 30,
    audio: np.ndarray | None = None,
    audio_rate: int | None = None,
    *,
    times: Sequence[float] | None = None,
    source: str | None = None,
) -> None:
    """Writes an MP4: H.264 yuv420p (crf 18) and AAC. The file appears under its name only when it is complete.

    Args:
        path: ends in .mp4; its folder exists.
        frames: F frames (H, W, 3) uint8 of one even height and width (yuv420p halves both), as an array or iterator.
        fps: frames per second; with `times` only what a player is told to expect.
        audio: (N,) mono, int16 or float in [-1, 1]; cut at the end of the video.
        audio_rate: of `audio`, in Hz.
        times: (F,) seconds at which each frame is shown, increasing from 0, in place of a constant rate.
        source: provenance.GENERATED or COMPOSITE of pictures that a model made; the file then says so. None of others.

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
        if times is not None:
            video.codec_context.time_base = Fraction(1, _TICKS)
        sound = None if audio is None else _audio_stream(container, audio_rate)
        if source is not None:
            container.metadata.update(provenance.tags(source))
        count = 0
        for picture in _chain(first, frames):
            frame = _frame(picture, first.shape, count)
            if times is not None:
                if count == len(times):
                    raise ValueError(f"times: {count} for more frames; give each one")
                frame.pts, frame.time_base = round(times[count] * _TICKS), Fraction(1, _TICKS)
            container.mux(video.encode(frame))
            count += 1
        container.mux(video.encode(None))
        end = count / fps if times is None else times[count - 1] + 1 / fps
        if sound is not None:
            _encode_audio(container, sound, audio[: round(end * audio_rate)], audio_rate)
    if source is not None:
        provenance.append(memory, source)
    write_atomically(path, memory.getbuffer())


def even(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) with the last row and column repeated where their number is odd, as write_video needs it."""
    return np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")


def _chain(first, rest):
    yield first
    yield from rest


def _frame(picture: np.ndarray, shape: tuple[int, ...], number: int) -> Any:
    if picture.shape != shape or picture.dtype != np.uint8:
        raise ValueError(f"frames: frame {number} is {picture.dtype} {picture.shape}, expected uint8 {shape}")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")


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


__all__ = ["Frame", "Trouble", "even", "iter_video", "warn", "write_video"]
