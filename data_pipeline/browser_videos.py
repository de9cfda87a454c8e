"""Videos as browsers play them: a copy without loss, and without what its container tells of where it comes from."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import av

from data_pipeline.containers import opened
from data_pipeline.files import existing

_CODECS: Final = ("h264", "vp9", "av1")
_SOUND: Final = ("aac", "mp3", "opus", "flac")
_PIXELS: Final = ("yuv420p", "yuvj420p")  # others of H.264 are not played everywhere
_CONVERT: Final = "convert it to H.264 with yuv420p and AAC"


class Shown(NamedTuple):
    """Size in pixels, upright; length in seconds; whether it has sound."""

    width: int
    height: int
    seconds: float
    sound: bool


def copy(path: str | os.PathLike, out: str | os.PathLike) -> Shown:
    """Copies pictures and sound of a video into an MP4 that starts to play before it is loaded whole.

    No tag is copied (title, encoder, time of making). Streams are not encoded anew, so nothing is lost.

    Args:
        out: a new file in a folder that is there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no video, one that is cut off, or a codec that browsers do not play.
        OSError: `out` cannot be written.
    """
    path = existing(path)
    with opened(path, "video") as (container, video):
        sounds = list(container.streams.audio[:1])
        shown = _looked_at(path, container, video, bool(sounds))
        _check_codecs(path, video, sounds)
        frames = _muxed([video, *sounds], container, out)
        if frames < video.frames:
            raise ValueError(f"{path}: cut off: {frames} of {video.frames} frames are there; copy it anew")
    return shown


def _check_codecs(path: Path, video: Any, sounds: list[Any]) -> None:
    if (codec := video.codec_context.codec.canonical_name) not in _CODECS:
        raise ValueError(f"{path}: browsers may not play {codec}; {_CONVERT}")
    if video.codec_context.pix_fmt not in _PIXELS:
        raise ValueError(f"{path}: browsers may not play pixels of {video.codec_context.pix_fmt}; {_CONVERT}")
    for sound in sounds:
        if sound.codec_context is None or sound.codec_context.codec.canonical_name not in _SOUND:
            raise ValueError(f"{path}: browsers may not play its sound; {_CONVERT}")


def _looked_at(path: Path, container: Any, video: Any, sound: bool) -> Shown:
    first = next(container.decode(video), None)
    if first is None:
        raise ValueError(f"{path}: its video stream holds no frames that decode")
    container.seek(0)
    width = round(first.width * (video.sample_aspect_ratio or 1))
    size = (first.height, width) if first.rotation % 180 else (width, first.height)
    return Shown(*size, (container.duration or 0) / av.time_base, sound)


def _muxed(streams: list[Any], container: Any, out: str | os.PathLike) -> int:
    """Packets of the first stream that were copied."""
    count = 0
    with _writing(out):
        copied = av.open(str(out), "w", format="mp4", options={"movflags": "faststart", "fflags": "+bitexact"})
    with contextlib.closing(copied):
        into = {stream.index: copied.add_stream_from_template(stream, opaque=True) for stream in streams}
        for packet in container.demux(streams):
            if packet.dts is None:  # the end
                continue
            count += packet.stream is streams[0]
            packet.stream = into[packet.stream.index]
            with _writing(out):
                copied.mux(packet)
        with _writing(out):
            copied.close()
    return count


@contextlib.contextmanager
def _writing(out: str | os.PathLike) -> Iterator[None]:
    """What cannot be written is no fault of the file that is read."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(out)) from error


__all__ = ["Shown", "copy"]
