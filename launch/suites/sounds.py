"""What is heard to a clip of a data set."""

import numpy as np

from data_pipeline import music, sources
from data_pipeline.clip_views import ClipView
from launch.figures.data import Data

FIELDS = ("audio", "audio_rate", "song_start", "song")


def fields(data: Data) -> tuple[str, ...]:
    """Those that a set with songs has beside its clips; none for a set without."""
    return FIELDS if sources.features(data.directory) is not None else ()


def of(view: ClipView, wanted: tuple[str, ...], start: int, frames: int) -> tuple[np.ndarray | None, int | None]:
    """Samples (N,) and their rate for the `frames` frames from `start` of the clip; (None, None) without a song.
    wanted: see `fields`."""
    if not wanted or not view.value("song"):
        return None, None
    audio, rate = view.value("audio"), view.value("audio_rate")
    first = round((float(view.value("song_start")) + start / music.FPS) * rate)
    heard = audio[first : first + round(frames / music.FPS * rate)]
    return (heard, rate) if len(heard) else (None, None)


__all__ = ["FIELDS", "fields", "of"]
