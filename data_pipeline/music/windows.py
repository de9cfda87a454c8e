"""Songs of any length in windows that overlap: memory does not grow with the song.

A song of up to WINDOW seconds is one window. Of a longer one each window is analysed by itself, and of what it finds
the first and last CONTEXT seconds are left to its neighbours, where it has some. What librosa measures against the
whole of what it is given then holds for a window: tempo and with it the beats, tuning and with it chroma, the loudest
moment, below which decibels end at 80 (and from which bailando438 counts them), and how strong an onset must be. So at
a seam a beat may be missing, or too near to the one before. All else differs by rounding.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from data_pipeline.music import kernels
from data_pipeline.music.song import Song, fit
from data_pipeline.music.timing import FPS, HOP, SAMPLE_RATE

WINDOW: Final = 600  # s
CONTEXT: Final = 10  # s: more than half of the longest tempogram, 6.4 s

_SILENCE: Final = 1e-4  # peak amplitude
_MIN_FRAMES: Final = 15
_MAX_MISSING: Final = 15  # frames a sound track may end before its video


class Window(NamedTuple):
    """A part of a song, of whose rows start to stop - 1 are kept; first: the row of the whole song that `start` is."""

    song: Song
    start: int
    stop: int
    first: int

    def kept(self, rows: np.ndarray) -> np.ndarray:
        """Of (F, width) of the window's song."""
        return rows[self.start : self.stop]

    def beats(self) -> np.ndarray:
        """(n,) int32 rows of the whole song."""
        found = self.song.beats
        return found[(found >= self.start) & (found < self.stop)] + np.int32(self.first - self.start)


def of(
    blocks: Iterable[np.ndarray], sample_rate: int, num_frames: int | None = None, length: int = WINDOW
) -> Iterator[Window]:
    """The windows of a song, in turn.

    Args:
        blocks: (N,) float samples each, mono, full scale 1, one after the other.
        sample_rate: of them, in Hz.
        num_frames: rows wanted. Longer audio is cut; audio that ends up to 0.5 s early is padded with silence.
            Default: as many whole frames as the audio holds.
        length: of a window, whole seconds.

    Raises:
        ValueError: audio that is empty, not mono, not finite, silent or too short; what the end tells at the end.
    """
    if sample_rate <= 0:
        raise ValueError(f"sample_rate: {sample_rate} is not a rate in Hz")
    held, count, begin, peak = [np.zeros(0, np.float32)], 0, 0, 0.0  # begin: the second at which what is held begins
    for block in _seconds(map(_checked, blocks), sample_rate):
        peak = max(peak, float(np.abs(block).max(initial=0)))
        held.append(block)
        count += len(block)
        if count <= length * sample_rate:
            continue
        whole = np.concatenate(held)
        while len(whole) > length * sample_rate:
            if num_frames is not None and num_frames <= (begin + length) * FPS:
                _check_heard(peak)
                yield _last(whole[: length * sample_rate], sample_rate, begin, num_frames)
                return
            audio = _resampled(whole[: length * sample_rate], sample_rate)
            yield _window(fit(audio, length * SAMPLE_RATE), begin, (length - CONTEXT) * FPS)
            begin += length - 2 * CONTEXT
            whole = whole[(length - 2 * CONTEXT) * sample_rate :]
        held, count = [whole.copy()], len(whole)
    whole = np.concatenate(held)
    if whole.size == 0:
        raise ValueError("audio: empty, no samples; check the file has a sound track")
    _check_heard(peak)
    yield _last(whole, sample_rate, begin, num_frames)


def _seconds(blocks: Iterable[np.ndarray], sample_rate: int) -> Iterator[np.ndarray]:
    """The same samples a second at a time, so that of a song in one block no more than a window is copied."""
    for block in blocks:
        for start in range(0, len(block), sample_rate):
            yield block[start : start + sample_rate]


def _checked(audio: np.ndarray) -> np.ndarray:
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise ValueError(f"audio: expected mono samples (N,), got shape {audio.shape}; average the channels first")
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"audio: expected float samples in [-1, 1], got {audio.dtype}; divide by full scale first")
    if not np.isfinite(audio).all():
        raise ValueError("audio: holds NaN or infinite samples; decode the file again")
    return audio.astype(np.float32, copy=False)


def _check_heard(peak: float) -> None:
    if peak < _SILENCE:
        raise ValueError(f"audio: silent, no sample reaches {_SILENCE:g} of full scale; choose a track with music")


def _last(audio: np.ndarray, sample_rate: int, begin: int, num_frames: int | None) -> Window:
    """The window after which no other comes."""
    audio = _resampled(audio, sample_rate)
    seconds, available = begin + len(audio) / SAMPLE_RATE, begin * FPS + round(len(audio) / HOP)
    frames = available if num_frames is None else num_frames
    if frames < _MIN_FRAMES or available < _MIN_FRAMES:
        raise ValueError(
            f"audio: too short, {seconds:.2f} s for {frames} frames; at least {_MIN_FRAMES / FPS:.1f} s is needed"
        )
    if available + _MAX_MISSING < frames:
        raise ValueError(
            f"audio: too short, {seconds:.2f} s for {frames} frames ({frames / FPS:.2f} s); "
            "give a longer track or ask for fewer frames"
        )
    rows = frames - begin * FPS
    return _window(fit(audio, rows * HOP), begin, rows)


def _window(audio: np.ndarray, begin: int, stop: int) -> Window:
    start = CONTEXT * FPS if begin else 0
    return Window(Song(audio), start, stop, begin * FPS + start)


def _resampled(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    with kernels.ready():
        import librosa

        return librosa.resample(audio, orig_sr=sample_rate, target_sr=SAMPLE_RATE)


__all__ = ["CONTEXT", "WINDOW", "Window", "of"]
