"""A song as it is analysed, and what several feature sets need of it, computed once.

librosa is imported on use: callers hold kernels.ready.
"""

import functools

import numpy as np

from data_pipeline.music.timing import HOP, SAMPLE_RATE


def fit(audio: np.ndarray, length: int) -> np.ndarray:
    """(length,): cut, or padded with silence."""
    return np.pad(audio[:length], (0, max(0, length - len(audio))))


def tuning(audio: np.ndarray) -> float | None:
    """For librosa's chroma: None lets it estimate the tuning, of which it warns in vain where there is no sound."""
    return None if audio.any() else 0.0


def one_hot(frames: np.ndarray, count: int) -> np.ndarray:
    """(count,) float32, 1 at `frames` (n,)."""
    found = np.zeros(count, np.float32)
    found[frames] = 1
    return found


class Song:
    """(F * HOP,) float32 samples at SAMPLE_RATE. Analyses have F + 1 columns, librosa's last is centred on the end."""

    def __init__(self, audio: np.ndarray):
        self.audio = audio
        self.frames = len(audio) // HOP

    @functools.cached_property
    def spectrum(self) -> np.ndarray:
        """(1025, F + 1) complex."""
        import librosa

        return librosa.stft(self.audio, hop_length=HOP)

    @functools.cached_property
    def mel(self) -> np.ndarray:
        """(128, F + 1), of power."""
        import librosa

        return librosa.feature.melspectrogram(S=np.abs(self.spectrum) ** 2.0, sr=SAMPLE_RATE)

    @functools.cached_property
    def decibels(self) -> np.ndarray:
        """(128, F + 1) of mel, re full scale; no lower than 80 below the loudest."""
        import librosa

        return librosa.power_to_db(self.mel)

    @functools.cached_property
    def envelope(self) -> np.ndarray:
        """(F + 1,) onset strength."""
        import librosa

        return librosa.onset.onset_strength(S=self.decibels, sr=SAMPLE_RATE, hop_length=HOP)

    @functools.cached_property
    def beats(self) -> np.ndarray:
        """(n,) int32 rows of the beats. Tempo is librosa's own estimate, taken as the tracker's first guess."""
        import librosa

        if not self.envelope.any():
            return np.zeros(0, np.int32)
        guess = librosa.feature.tempo(tg=self._tempogram, sr=SAMPLE_RATE, hop_length=HOP)
        tempo = librosa.feature.tempo(
            tg=self._tempogram, sr=SAMPLE_RATE, hop_length=HOP, start_bpm=float(guess[0])
        )
        found = librosa.beat.beat_track(
            onset_envelope=self.envelope, sr=SAMPLE_RATE, hop_length=HOP, bpm=tempo, tightness=100
        )[1]
        return found[found < self.frames].astype(np.int32)

    @functools.cached_property
    def _tempogram(self) -> np.ndarray:
        """(240, F + 1): of 8 s, librosa's default for tempo."""
        import librosa

        length = librosa.time_to_frames(8.0, sr=SAMPLE_RATE, hop_length=HOP).item()
        return librosa.feature.tempogram(
            onset_envelope=self.envelope, sr=SAMPLE_RATE, hop_length=HOP, win_length=length
        )


__all__ = ["Song", "fit", "one_hot", "tuning"]
