"""The sound of a video on the clock of its pictures: sample 0 is heard when the first frame is shown.

Both streams' own times are taken: a container may start one of them late, cut it by an edit list, or begin at any time.
What encoders put before the sound (priming) the decoders take away, where the container tells of it.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from data_pipeline import audio_files, video_files
from data_pipeline.containers import opened
from data_pipeline.files import existing
from data_pipeline.video_files import Trouble

_USUAL_FPS: Final = 30  # of a video that states neither times nor a rate
_BLOCK: Final = 2**16  # samples
_NOTABLE: Final = 0.1  # s; containers and encoders round by less


def read_blocks(
    path: str | os.PathLike, sample_rate: int, tell: Callable[[Trouble], None] = video_files.warn
) -> Iterator[np.ndarray]:
    """The sound while a video is shown, blocks (n,) float32 in [-1, 1], mono, at `sample_rate` Hz; together they last
    as long as the video does. Silence stands where there is no sound yet, or no more.

    tell: called with what is cut or silent for more than 0.1 s at either end, before the first block.

    Raises:
        FileNotFoundError, ValueError: see video_files.iter_video and audio_files.read_audio; sound and pictures that
            have no time in common. It names the file. Before the first block.
    """
    path = existing(path)
    begin, end = _shown(path)
    sound = audio_files.read_blocks(path, sample_rate)
    late, seconds = sound.start - begin, sound.seconds
    if late >= end - begin or late + seconds <= 0:
        raise ValueError(
            f"{path}: its sound, {seconds:.2f} s from {late:.2f} s on, is over before the first frame or begins after "
            f"the last, at {end - begin:.2f} s; give the song apart, or mux the file again"
        )
    for text in _told(late, late + seconds - (end - begin)):
        tell(Trouble(f"{path}: {text}"))
    return _placed(sound.blocks, round(late * sample_rate), round((end - begin) * sample_rate))


def _placed(blocks: Iterable[np.ndarray], first: int, length: int) -> Iterator[np.ndarray]:
    """`length` samples, of which number `first`, which may be below 0, is the first of the blocks."""
    place = min(first, 0)
    for block in itertools.chain(_silence(max(first, 0)), blocks, _silence(length)):
        yield block[max(0, -place) : max(0, length - place)]
        place += len(block)
        if place >= length:
            return


def _silence(length: int) -> Iterator[np.ndarray]:
    for start in range(0, length, _BLOCK):
        yield np.zeros(min(_BLOCK, length - start), np.float32)


def _told(late: float, longer: float) -> list[str]:
    """What becomes of sound that starts `late` and ends by `longer` after the video, in seconds."""
    found = []
    if abs(late) > _NOTABLE:
        what = "late; silence comes before it" if late > 0 else "early; that is cut off"
        found.append(f"its sound starts {abs(late):.2f} s {what}")
    if abs(longer) > _NOTABLE:
        what = "after its pictures; that is cut off" if longer > 0 else "before its pictures; silence follows"
        found.append(f"its sound ends {abs(longer):.2f} s {what}")
    return found


def _shown(path: Path) -> tuple[float, float]:
    """When the first frame appears and the last one ends, in seconds on the file's clock. One frame is decoded."""
    begin, last, spacing = None, 0.0, 0.0
    with opened(path, "video") as (container, stream):
        stream.thread_type = "SLICE"
        usual = float(1 / (stream.average_rate or stream.guessed_rate or _USUAL_FPS))
        for packet in _packets(container, stream):
            if begin is None:
                begin = _first_time(packet)
            if packet.pts is not None and not packet.is_discard:
                time = float(packet.pts * packet.time_base)
                if time >= last:
                    last, spacing = time, float((packet.duration or 0) * packet.time_base) or usual
    if begin is None:
        raise ValueError(f"{path}: its video stream holds no frames that decode")
    return begin, max(last, begin) + (spacing or usual)


def _packets(container: Any, stream: Any):
    """Up to the first damaged place that the demuxer does not pass."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return


def _first_time(packet: Any) -> float | None:
    """Of the first frame that comes out with this packet; None while there is none."""
    try:
        frames = packet.decode()
    except av.error.FFmpegError:
        return None
    return (frames[0].time or 0.0) if frames else None


__all__ = ["read_blocks"]
