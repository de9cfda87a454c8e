"""The 438 columns of Bailando's music features by librosa alone, on 30 fps video time at 15360 Hz.

Upstream reads songs with essentia, at 30720 Hz for 60 fps; and at 3840 Hz for 7.5 fps, which loses everything above
1.92 kHz. The columns are computed the same way here.
"""

from typing import Final

import numpy as np

from data_pipeline.feature_sets import FeatureSet
from data_pipeline.music.song import Song, fit, one_hot, tuning
from data_pipeline.music.timing import HOP, SAMPLE_RATE

MFCC: Final = slice(0, 20)
DELTA: Final = slice(20, 40)
CHROMA: Final = slice(40, 52)
ENVELOPE: Final = 52
BEAT: Final = 53
TEMPOGRAM: Final = slice(54, 438)
_LAGS: Final = 384  # rows
_DELTA_ROWS: Final = 3
_CHROMA_SAMPLES: Final = 4 * SAMPLE_RATE  # the lowest octave of the constant-Q transform needs this much signal

# Column means and spreads over four real songs (electronic, folk-pop, orchestral, trumpet), rounded. The one-hot stays.
# Long lags have a hundredth of the spread of short ones: one scale for all, lest their noise become loud.
FEATURES: Final = FeatureSet(
    "bailando438",
    offset=(-550, 100, 10, 20, *[0] * 36, *[0.25] * 12, 1.5, 0, 1, *[0.1] * 383),
    scale=(
        110, 40, 40, *[20] * 3, *[15] * 2, *[10] * 12, 20, 10, 7, *[5] * 2, *[4] * 3, *[3.5] * 12, *[0.3] * 12, 3, 1, 1,
        *[0.15] * 383,
    ),
)


def rows(song: Song) -> np.ndarray:
    """(F, 438) float32, raw librosa units: 20 MFCC of decibels below the loudest moment, their differences over 3 rows,
    12 chroma (constant Q) of the harmonic part, onset strength (median over bands) of the percussive part, its beats as
    a one-hot, and its tempogram of 384 lags."""
    import librosa

    count, length = song.frames, len(song.audio)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(song.mel, ref=np.max), sr=SAMPLE_RATE, n_mfcc=20)
    harmonic, percussive = (
        librosa.istft(part, hop_length=HOP, dtype=song.audio.dtype, length=length)
        for part in librosa.decompose.hpss(song.spectrum)
    )
    chroma = librosa.feature.chroma_cqt(
        y=fit(harmonic, max(length, _CHROMA_SAMPLES)), sr=SAMPLE_RATE, hop_length=HOP, tuning=tuning(harmonic)
    )
    envelope = librosa.onset.onset_strength(y=percussive, sr=SAMPLE_RATE, hop_length=HOP, aggregate=np.median)
    beats = librosa.beat.beat_track(onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP)[1]
    tempogram = librosa.feature.tempogram(
        onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP, win_length=_LAGS
    )
    found = np.zeros((count, FEATURES.width), np.float32)
    found[:, MFCC] = mfcc.T[:count]
    found[:, DELTA] = librosa.feature.delta(mfcc, width=_DELTA_ROWS).T[:count]
    found[:, CHROMA] = chroma.T[:count]
    found[:, ENVELOPE] = envelope[:count]
    found[:, BEAT] = one_hot(beats[beats < count], count)
    found[:, TEMPOGRAM] = tempogram.T[:count]
    return found


__all__ = ["BEAT", "CHROMA", "DELTA", "ENVELOPE", "FEATURES", "MFCC", "TEMPOGRAM", "rows"]
