"""The 35 columns of the AIST++/EDGE librosa baseline, on video time."""

from typing import Final

import numpy as np

from data_pipeline.feature_sets import FeatureSet
from data_pipeline.music.song import Song, fit, one_hot, tuning
from data_pipeline.music.timing import HOP, SAMPLE_RATE

ENVELOPE: Final = 0
MFCC: Final = slice(1, 21)
CHROMA: Final = slice(21, 33)
ONSET: Final = 33
BEAT: Final = 34
_CHROMA_SAMPLES: Final = 4 * SAMPLE_RATE  # the lowest octave of the constant-Q transform needs this much signal

# Column means and spreads over four real songs (electronic, folk-pop, orchestral, trumpet), rounded. One-hots stay.
FEATURES: Final = FeatureSet(
    "librosa35",
    offset=(1.5, -200, 90, *[0] * 18, *[0.25] * 12, *[0] * 2),
    scale=(2, 120, 40, 40, *[20] * 4, *[12] * 13, *[0.15] * 12, *[1] * 2),
)


def rows(song: Song) -> np.ndarray:
    """(F, 35) float32, raw librosa units: onset strength, 20 MFCC, 12 chroma (CENS), onsets and beats as one-hots."""
    import librosa

    mfcc = librosa.feature.mfcc(S=song.decibels, sr=SAMPLE_RATE, n_mfcc=20)
    chroma = librosa.feature.chroma_cens(
        y=fit(song.audio, max(len(song.audio), _CHROMA_SAMPLES)), sr=SAMPLE_RATE, hop_length=HOP, n_chroma=12,
        tuning=tuning(song.audio),
    )
    onsets = librosa.onset.onset_detect(onset_envelope=song.envelope, sr=SAMPLE_RATE, hop_length=HOP)
    count = song.frames
    found = np.zeros((count, FEATURES.width), np.float32)
    found[:, ENVELOPE] = song.envelope[:count]
    found[:, MFCC] = mfcc.T[:count]
    found[:, CHROMA] = chroma.T[:count]
    found[:, ONSET] = one_hot(onsets[onsets < count], count)
    found[:, BEAT] = one_hot(song.beats, count)
    return found


__all__ = ["BEAT", "CHROMA", "ENVELOPE", "FEATURES", "MFCC", "ONSET", "rows"]
