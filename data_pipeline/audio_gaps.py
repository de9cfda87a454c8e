"""Where sound is missing, by the time stamps of what is left of it."""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from scipy import signal

_JITTER: Final = 0.008  # s: stamps are rounded to 1 ms in Matroska; the shortest packets that get lost last 20 ms
_NEIGHBOURS: Final = 5  # frames; one odd stamp among them is ignored: damage, or Vorbis where its blocks change length


def find(starts: Sequence[float | None], seconds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Gaps before frames of sound.

    Args:
        starts: of F frames, in seconds; None where the file does not say.
        seconds: their lengths.

    Returns:
        (frames, lengths): before which frames a gap lies, (G,) int, and how long it is, (G,) in seconds. Stamps that
        jump back or drift away from the lengths make none.
    """
    ends = np.concatenate([[0], np.cumsum(seconds)])
    offsets = np.zeros(len(starts))
    for i, start in enumerate(starts):
        if start is not None:
            offsets[i] = start - ends[i]
        elif i:
            offsets[i] = offsets[i - 1]
    edge = _NEIGHBOURS // 2
    if len(offsets) <= edge:
        return np.zeros(0, int), np.zeros(0)
    smooth = signal.medfilt(np.pad(offsets, edge, mode="edge"), _NEIGHBOURS)[edge:-edge]
    steps = np.diff(smooth, prepend=smooth[0])
    frames = np.flatnonzero(steps > _JITTER)
    return frames, steps[frames]


def swallowed(sizes: Sequence[int], frame_size: float, frame_seconds: float, missing: float | None) -> np.ndarray:
    """Seconds (K,) of sound in K packets that failed, where the format has no stamps.

    Its demuxer makes packets of whatever lies between sound frames. Overwritten bytes held as many frames as their size
    tells, while bytes put in between held none: so no more than the `missing` seconds are shared out. Where it is not
    known what is missing (None), each packet is one frame.
    """
    seconds = np.asarray(sizes, float) / frame_size * frame_seconds
    if missing is None:
        return np.full(len(seconds), frame_seconds)
    return seconds * min(1, missing / seconds.sum()) if seconds.any() else seconds


def fill(audio: np.ndarray, positions: Sequence[int], lengths: Sequence[int]) -> np.ndarray:
    """(N,) samples with `lengths` samples of silence put in before each of the rising `positions`; `audio` itself where
    there are none."""
    if not positions:
        return audio
    return np.concatenate([audio[:0], *filled([audio], positions, lengths)])


def filled(
    blocks: Iterable[np.ndarray], positions: Sequence[int], lengths: Sequence[int]
) -> Iterator[np.ndarray]:
    """`fill` for samples that come in blocks; `positions` count all of them."""
    waiting, done = collections.deque(zip(positions, lengths, strict=True)), 0
    for block in blocks:
        begin = done
        done += len(block)
        while waiting and waiting[0][0] < done:
            position, length = waiting.popleft()
            yield block[: position - begin]
            yield np.zeros(length, np.float32)
            block, begin = block[position - begin :], position
        yield block
    for _, length in waiting:
        yield np.zeros(length, np.float32)


__all__ = ["fill", "filled", "find", "swallowed"]
