"""Whether a video file ends before its frames do. What a container announces (rate, number, duration) is often a guess
and may count frames that an edit list hides; what it places beyond the end of the file is surely not there."""

import os
from pathlib import Path
from typing import Any, Final

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # Matroska's first two elements
_HEAD: Final = 4096  # bytes in which they lie


def lost_frames(path: Path, stream: Any, shown: int, seconds: float, broken: int) -> int:
    """Frames of a decoded video that are cut off or broken; 0 for a whole file.

    Args:
        stream: PyAV's, after all of its packets were read.
        shown, seconds: frames that were decoded, and how long they last.
        broken: packets that could not be decoded, which are lost at the least.
    """
    size = os.path.getsize(path)
    wanted = [entry.pos + entry.size for entry in stream.index_entries if not entry.is_discard]
    lost = max(broken, len(wanted) - shown) if wanted and max(wanted) > size else broken
    if _container_end(path) > size and shown:
        announced = max(stream.frames, round(_announced_seconds(stream) * shown / max(seconds, 1e-9)))
        lost = max(lost, announced - shown, 1)
    return lost


def _container_end(path: Path) -> int:
    """The byte at which the container says that it ends, of those that do (Matroska and WebM, AVI); else 0."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little")
    if head[:4] == _EBML:
        length, width = _ebml_size(head, 4)
        start = 4 + width + length
        if head[start : start + 4] == _SEGMENT:
            length, width = _ebml_size(head, start + 4)
            return start + 4 + width + length if length != (1 << 7 * width) - 1 else 0  # all ones: not known
    return 0


def _ebml_size(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number of EBML, and its width in bytes: the leading zero bits count the bytes that follow."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


def _announced_seconds(stream: Any) -> float:
    """As Matroska states it of a track ("00:00:01.600000000"), or the container of all."""
    hours, *rest = stream.metadata.get("DURATION", "").split(":")
    try:
        return float(hours) * 3600 + float(rest[0]) * 60 + float(rest[1])
    except (ValueError, IndexError):
        return (stream.container.duration or 0) / 1e6


__all__ = ["lost_frames"]
