"""What is let through to the decoder as a song."""

from pathlib import Path
from typing import Final

import av

from data_pipeline import audio_files, containers
from launch.apps.limits import Limits
from launch.apps.refusals import Refused, sentence

_HEAD: Final = 12
_RATE: Final = 8000  # Hz at which the length is heard: little work
_SLACK: Final = 1.05  # of the stated length, which may be a guess


def is_sound(head: bytes) -> bool:
    """Whether a file that begins so is of a format of sound. FFmpeg reads others as well, and among them play lists,
    which would make it open other files and addresses."""
    starts = (b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3")
    riff = head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"
    iff = head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")
    mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0  # MP3 without a tag, AAC
    return head.startswith(starts) or riff or iff or mpeg or head[4:8] == b"ftyp"


def check(path: Path, limits: Limits) -> None:
    """What can be told at once. Raises Refused for no sound, and for a stated length beyond the limit."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not is_sound(head):
        raise Refused("song", "This is no sound that is known here; give MP3, WAV, M4A, OGG, FLAC or WebM.")
    try:
        with containers.opened(path, "audio") as (container, _):
            stated = (container.duration or 0) / av.time_base
    except (ValueError, OSError) as error:
        raise Refused("song", sentence(error, {f"{path}: ": "", str(path): "the song"})) from error
    _check_length(stated / _SLACK, limits)


def check_heard(path: Path, limits: Limits) -> None:
    """What is there, whatever the file states: it is decoded once, without being held. Raises Refused."""
    try:
        seconds = audio_files.read_blocks(path, _RATE).seconds
    except (ValueError, OSError) as error:
        raise Refused("song", sentence(error, {f"{path}: ": "", str(path): "the song"})) from error
    _check_length(seconds, limits)


def _check_length(seconds: float, limits: Limits) -> None:
    if seconds > 60 * limits.song_minutes:
        raise Refused(
            "song", f"The song lasts {seconds / 60:.1f} minutes, and {limits.song_minutes:g} is the most; cut it."
        )


__all__ = ["check", "check_heard", "is_sound"]
