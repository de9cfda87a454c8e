"""Pictures, sound and video in and out of files (PyAV, Pillow). Every bad file is one line that names it.

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used, OSError for one that cannot be
written. Nothing half-written is left behind.
"""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

_CRF = 18
_COMPLETE = 0.95  # share of the announced length that must decode, else the file is called truncated
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def _existing(path: str | os.PathLike) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    return path


def read_image(path: str | os.PathLike) -> np.ndarray:
    """A picture as (H, W, 3) uint8: transparent pixels over white, turned upright by its EXIF tag."""
    path = _existing(path)
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image)
            elif image.mode.startswith("I;16") or image.mode == "I":
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: not a readable image ({_line(error)})") from error


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple]:
    """Opens a container and its first stream of `kind`; turns every decoding error into one line."""
    try:
        with av.open(str(path)) as container:
            streams = [s for s in getattr(container.streams, kind) if kind == "audio" or not _is_cover(s)]
            if not streams:
                raise ValueError(f"{path}: has no {kind} stream")
            yield container, streams[0]
    except av.error.FFmpegError as error:
        raise ValueError(f"{path}: cannot be decoded as {kind} ({error.strerror or _line(error)})") from error


def _is_cover(stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """The first sound track of any file PyAV decodes, (N,) float32 in [-1, 1], mixed to mono, at `sample_rate` Hz.

    Cover art (a picture stream) is ignored. Surround is mixed with FFmpeg's default matrix.
    """
    path = _existing(path)
    with _opened(path, "audio") as (container, stream):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
        blocks = []
        for frame in container.decode(stream):
            frame.pts = None  # gaps in the time stamps of a broken file must not become errors
            blocks += [block.to_ndarray()[0] for block in resampler.resample(frame)]
        if blocks:
            blocks += [block.to_ndarray()[0] for block in resampler.resample(None)]
        expected = _seconds(container, stream)
    audio = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if audio.size == 0:
        raise ValueError(f"{path}: its audio stream holds no samples")
    if len(audio) / sample_rate < _COMPLETE * expected - 0.1:
        raise ValueError(f"{path}: truncated, {len(audio) / sample_rate:.1f} s of {expected:.1f} s of sound decode")
    return np.clip(audio, -1, 1).astype(np.float32)


def _seconds(container, stream) -> float:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def iter_video(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """Frames of a video one at a time, each (H, W, 3) uint8, upright; for clips too long to hold."""
    path = _existing(path)
    count = 0
    with _opened(path, "video") as (container, stream):
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
    path = _existing(path)
    with _opened(path, "video") as (_, stream):
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


def write_atomically(path: str | os.PathLike, content) -> None:
    """Writes bytes to a temporary file beside `path` and renames it. Raises OSError naming `path`; leaves no part."""
    path = Path(path)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error
        raise


def encode_jpeg(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 to JPEG at quality 95, colours not subsampled."""
    memory = io.BytesIO()
    Image.fromarray(picture).save(memory, "JPEG", quality=95, subsampling=0)
    return memory.getvalue()


def decode_jpeg(content: bytes) -> np.ndarray:
    """JPEG bytes to (H, W, 3) uint8."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))
