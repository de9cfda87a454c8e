"""Opening the containers that sound and video come in (PyAV)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av

from data_pipeline.files import one_line


@contextlib.contextmanager
def opened(path: Path, kind: str, source: BinaryIO | None = None) -> Iterator[tuple]:
    """Opens a container and its first stream of `kind`; turns every decoding error into one line. source: is read
    instead of the file, which errors name all the same."""
    try:
        # "file:" lest a name with a colon be taken for a protocol; tags may be in any encoding, and are not read.
        with av.open(source or f"file:{path}", metadata_errors="ignore") as container:
            streams = [s for s in getattr(container.streams, kind) if kind == "audio" or not _is_cover(s)]
            if not streams:
                raise ValueError(f"{path}: has no {kind} stream")
            if streams[0].codec_context is None:
                raise ValueError(f"{path}: its {kind} is of a codec that is not known here; convert it")
            yield container, streams[0]
    except av.error.FFmpegError as error:
        raise ValueError(f"{path}: cannot be decoded as {kind} ({error.strerror or one_line(error)})") from error


def _is_cover(stream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


__all__ = ["opened"]
