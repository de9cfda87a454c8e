"""The header Range, by which players seek (RFC 9110, section 14)."""

import re


def asked(header: str | None, size: int) -> tuple[int, int] | None:
    """First and one past the last byte of a file of `size` bytes; all of it without a header, and for what is not one
    range of bytes, which may be ignored. None for one beyond the end (status 416)."""
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").replace(" ", ""))
    if not found or found[0] == "bytes=-":
        return 0, size
    first, last = found.groups()
    if not first:  # the last so many
        return (size - min(int(last), size), size) if int(last) else None
    if last and int(last) < int(first):
        return 0, size
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < size else None


__all__ = ["asked"]
