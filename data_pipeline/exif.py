"""The orientation in a photo's EXIF, and nothing else: whatever is broken beside it does not matter."""

from typing import Final

_ORIENTATION: Final = 0x0112
_ENTRY: Final = 12  # bytes: tag, type, count, value
_SIZES: Final = {1: 1, 3: 2, 4: 4}  # bytes of a value, by type: BYTE, SHORT, LONG


def orientation(exif: bytes) -> int | None:
    """1 to 8 by EXIF's table; None where none can be read. `exif` is a TIFF header and its first directory."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "little", b"MM": "big"}.get(block[:2])
    if order is None:
        return None

    def number(place: int, size: int) -> int:
        return int.from_bytes(block[place : place + size], order)

    directory = number(4, 4)
    end = min(directory + 2 + _ENTRY * number(directory, 2), len(block) - _ENTRY + 1)
    for entry in range(directory + 2, end, _ENTRY):
        size = _SIZES.get(number(entry + 2, 2))
        if number(entry, 2) == _ORIENTATION and size:
            found = number(entry + 8, size)
            return found if 1 <= found <= 8 else None
    return None


__all__ = ["orientation"]
