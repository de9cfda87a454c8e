"""Music features at 30 fps: row t is centred on video time t / 30 s.

A feature set (data_pipeline/feature_sets.py) has a file here that computes it of a Song; arrays.py reads those made
elsewhere. Only this package knows their columns. Songs of more than windows.WINDOW seconds are analysed in windows.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from data_pipeline.feature_sets import FeatureSet
from data_pipeline.music import arrays, bailando438, kernels, librosa35, windows
from data_pipeline.music.pooling import Moments, pool
from data_pipeline.music.timing import FPS

_BUILT_IN: Final = {module.FEATURES.name: module for module in (librosa35, bailando438)}


class Heard(NamedTuple):
    """rows: (F, width) float32, raw; FeatureSet.normalise prepares them for a network. beats: (n,) int32 rows."""

    rows: np.ndarray
    beats: np.ndarray


def find(name: str) -> FeatureSet:
    """The built-in feature set `name`. Raises ValueError for another."""
    if name not in _BUILT_IN:
        raise ValueError(f"music features {name!r}: not computed here; choose one of {', '.join(_BUILT_IN)}")
    return _BUILT_IN[name].FEATURES


def hear(
    name: str, audio: np.ndarray | Iterable[np.ndarray], sample_rate: int, num_frames: int | None = None
) -> Heard:
    """Features of the built-in set `name` and beats of one song, (N,) samples or blocks of them in turn, of which
    memory holds a window: what both need is computed once.

    See windows.of for arguments and errors; of a clip or song of up to 10 minutes they are librosa's of the whole.
    """
    find(name)
    rows, beats = [], []
    for window in windows.of(_blocks(audio), sample_rate, num_frames):
        with kernels.ready():
            rows.append(window.kept(_BUILT_IN[name].rows(window.song)))
            beats.append(window.beats())
        del window  # its analyses, before the next one's
    return Heard(np.concatenate(rows), np.concatenate(beats))


def _blocks(audio: np.ndarray | Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    return [audio] if isinstance(audio, np.ndarray) else audio


def extract(name: str, audio: np.ndarray, sample_rate: int, num_frames: int | None = None) -> np.ndarray:
    """Features alone, (F, width) float32, see `hear`."""
    return hear(name, audio, sample_rate, num_frames).rows


def beats(
    audio: np.ndarray | Iterable[np.ndarray], sample_rate: int, num_frames: int | None = None
) -> np.ndarray:
    """Beats alone, (n,) int32 frames at 30 fps, of samples or blocks as in `hear`, whatever the feature set: librosa's
    tracker at its own tempo."""
    found = []
    for window in windows.of(_blocks(audio), sample_rate, num_frames):
        with kernels.ready():
            found.append(window.beats())
    return np.concatenate(found)


__all__ = ["FPS", "FeatureSet", "Heard", "Moments", "arrays", "beats", "extract", "find", "hear", "pool"]
