"""The length that an MP3 file states, if it does: in place of its first frame, after Xing, LAME or Fraunhofer (VBRI).

FFmpeg reads it too, but puts a guess in its place where the file is longer or shorter than the header says.
"""

from pathlib import Path
from typing import Final

_RATES: Final = (44100, 48000, 32000)  # Hz, of MPEG-1
_HALVINGS: Final = (2, 0, 1, 0)  # of the rate, by version: MPEG-2.5, none, MPEG-2, MPEG-1
_ENCODERS: Final = (b"LAME", b"Lavf", b"Lavc")  # these tell how many samples they put before and behind the sound


def stated_seconds(path: Path) -> float | None:
    """Seconds of sound by the header's count of frames; None without a header."""
    head = _first_frame(path)
    if len(head) < 4 or head[2] >> 2 & 3 == 3:
        return None
    version = head[1] >> 3 & 3
    rate = _RATES[head[2] >> 2 & 3] >> _HALVINGS[version]
    per_frame = 1152 if version == 3 else 576
    for name in (b"Xing", b"Info"):
        tag = head.find(name, 0, 64)
        if tag >= 0 and head[tag + 7 : tag + 8] and head[tag + 7] & 1:
            samples = per_frame * int.from_bytes(head[tag + 8 : tag + 12], "big")
            if head[tag + 120 : tag + 124] in _ENCODERS:
                added = int.from_bytes(head[tag + 141 : tag + 144], "big")
                samples -= (added >> 12) + (added & 0xFFF)
            return max(0, samples) / rate
    if head[36:40] == b"VBRI":
        return per_frame * int.from_bytes(head[50:54], "big") / rate
    return None


def _first_frame(path: Path) -> bytes:
    """Bytes from the first frame's header on, behind an ID3 tag; none if no frame is there."""
    with path.open("rb") as file:
        tag = file.read(10)
        tagged = tag[:3] == b"ID3" and len(tag) == 10
        file.seek(10 + sum((byte & 127) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
                  if tagged else 0)  # fmt: skip
        head = file.read(4096)
    start = next((i for i in range(len(head) - 1) if head[i] == 0xFF and head[i + 1] & 0xE6 == 0xE2), len(head))
    return head[start:]


__all__ = ["stated_seconds"]
