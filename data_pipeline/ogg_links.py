"""Ogg files that are several files in one, as radio recordings are: FFmpeg reads one rate and one codec a file."""

import mmap
from pathlib import Path
from typing import Final

_HEADER: Final = 27  # bytes of a page before its table of segments
_FIRST_PAGE: Final = 2  # flag: the first page of a stream


def split(path: Path) -> list[bytes | None]:
    """The links of a chained Ogg file, each an Ogg file of its own; [None] for any other file: read it by its path.

    A link begins where first pages of streams come after other pages. Damaged bytes between pages stay where they are.
    """
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return [None]
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with content:
        return _split(content)


def _split(content: mmap.mmap) -> list[bytes | None]:
    starts, position, after_others = [0], 0, False
    while 0 <= position <= len(content) - _HEADER:
        first = bool(content[position + 5] & _FIRST_PAGE) and not any(content[position + 18 : position + 22])
        if first and after_others:
            starts.append(position)
        after_others = not first
        position = content.find(b"OggS", _end(content, position))
    if len(starts) == 1:
        return [None]
    return [content[start:stop] for start, stop in zip(starts, [*starts[1:], len(content)], strict=True)]


def _end(content: mmap.mmap, page: int) -> int:
    """Where the page ends by its table of segments, or its second byte where no page begins there."""
    table = content[page + _HEADER : page + _HEADER + content[page + 26]]
    end = page + _HEADER + len(table) + sum(table)
    return end if content[end : end + 4] == b"OggS" or end >= len(content) else page + 1


__all__ = ["split"]
