"""Synthetic songs with exactly known beats: drums, bass and chords, one recipe per genre.

What a dancer can hear, so that a model can learn it: the genre (timbre, drums, tempo), the place in the bar (kick,
snare, the bass of the first beat), the bar of the phrase (chords, a crash at its start), and the section of the song
(a lead voice in the chorus).
"""

import dataclasses
from typing import Final

import numpy as np
from scipy import signal

BEATS_PER_BAR: Final = 4
BEATS_PER_PHRASE: Final = 8


@dataclasses.dataclass(frozen=True)
class Genre:
    """Recipe of a genre. Drum rows: the gain on each eighth of a bar; chords: MIDI notes, one chord a bar."""

    name: str
    tempo: tuple[float, float]
    kick: tuple[float, ...]
    snare: tuple[float, ...]
    hat: tuple[float, ...]
    stab: tuple[float, ...]
    chords: tuple[tuple[int, ...], tuple[int, ...]]
    bass_harmonics: tuple[float, ...]
    chord_harmonics: tuple[float, ...]


GENRES: Final = (
    Genre(
        "hiphop", (86.0, 100.0), (1, 0, 0.8, 0, 0.9, 0.3, 0.8, 0), (0, 0, 0.9, 0, 0, 0, 0.9, 0),
        (0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1), (0.8, 0, 0, 0, 0.4, 0, 0, 0),
        ((57, 60, 64), (53, 57, 60)), (1.0, 0.2), (1.0, 0.1, 0.3),
    ),
    Genre(
        "house", (116.0, 126.0), (1, 0, 0.7, 0, 0.9, 0, 0.7, 0), (0, 0, 0.4, 0, 0, 0, 0.9, 0.3),
        (0.05, 0.3, 0.05, 0.3, 0.05, 0.3, 0.05, 0.3), (0.9, 0, 0, 0, 0.5, 0, 0, 0),
        ((62, 65, 69, 72), (67, 70, 74, 77)), (1.0, 0.5, 0.33, 0.25), (1.0, 0.6, 0.5, 0.4, 0.3, 0.25),
    ),
    Genre(
        "pop", (100.0, 114.0), (1, 0, 0.7, 0, 1, 0, 0.7, 0), (0, 0, 0.8, 0, 0, 0, 0.8, 0),
        (0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2), (0.6, 0.25, 0.4, 0.25, 0.6, 0.25, 0.4, 0.25),
        ((64, 68, 71), (69, 73, 76)), (1.0, 0.0, 0.33), (1.0, 0.0, 0.33, 0.0, 0.2),
    ),
    Genre(
        "halftime", (130.0, 142.0), (1, 0, 0.6, 0, 0.9, 0, 0.6, 0), (0, 0, 0, 0, 1, 0, 0, 0),
        (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), (0.8, 0, 0, 0, 0, 0, 0, 0),
        ((54, 61, 66), (58, 65, 70)), (1.0, 0.9, 0.8, 0.7, 0.6), (1.0, 0.8, 0.1, 0.6, 0.1, 0.5, 0.1, 0.4),
    ),
)


@dataclasses.dataclass(frozen=True)
class Song:
    """A song of constant tempo.

    audio: (samples,) float32 mono in [-1, 1]. beat_times: (beats,) float64 seconds, every beat inside the audio.
    first_beat: number of beat_times[0] in its phrase of eight. sections: 0 (verse) or 1 (chorus) for each phrase from
    the one that holds beat_times[0] on.
    """

    audio: np.ndarray
    sample_rate: int
    beat_times: np.ndarray
    tempo: float
    genre: int
    first_beat: int
    sections: tuple[int, ...]

    def beats(self, seconds: np.ndarray) -> np.ndarray:
        """Time counted in beats; whole numbers fall on beats and multiples of eight start a phrase."""
        return (seconds - self.beat_times[0]) * self.tempo / 60.0 + self.first_beat


def _tone(rate: int, midi: float, seconds: float, harmonics: tuple[float, ...], decay: float) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    frequency = 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
    wave = sum(a * np.sin(2 * np.pi * frequency * (i + 1) * time) for i, a in enumerate(harmonics))
    fade = np.minimum(1.0, np.minimum(time, seconds - time) / 0.01)
    return wave * np.exp(-time / decay) * fade / sum(harmonics)


def _kick(rate: int) -> np.ndarray:
    time = np.arange(int(0.25 * rate)) / rate
    phase = 2 * np.pi * (50.0 * time + 130.0 * 0.03 * (1.0 - np.exp(-time / 0.03)))
    return np.sin(phase) * np.exp(-time / 0.09) + 0.5 * np.sin(2 * np.pi * 1800.0 * time) * np.exp(-time / 0.004)


def _noise(rng: np.random.Generator, rate: int, seconds: float, decay: float, low: float) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    sos = signal.butter(2, low, "highpass", fs=rate, output="sos")
    return signal.sosfilt(sos, rng.uniform(-1.0, 1.0, time.size)) * np.exp(-time / decay)


def _add(track: np.ndarray, rate: int, seconds: float, sound: np.ndarray, gain: float) -> None:
    start = round(seconds * rate)
    sound = sound[max(0, -start) : max(0, track.size - start)]
    start = max(0, start)
    track[start : start + sound.size] += gain * sound


def make_song(rng: np.random.Generator, genre: int, seconds: float, sample_rate: int = 22050) -> Song:
    """Composes and plays a song. Raises ValueError for an unknown genre or a song shorter than 0.75 s."""
    if not 0 <= genre < len(GENRES):
        raise ValueError(f"toy song: genre {genre} is not in 0..{len(GENRES) - 1}")
    if seconds < 0.75:
        raise ValueError(f"toy song: seconds {seconds} is too short to be sure of a beat; ask for 0.75 or more")
    recipe = GENRES[genre]
    tempo = float(rng.uniform(*recipe.tempo))
    period = 60.0 / tempo
    phase = float(rng.uniform(0.0, period))
    first_beat = int(rng.integers(BEATS_PER_PHRASE))
    beat_times = np.arange(phase, seconds, period)
    phrases = (first_beat + beat_times.size) // BEATS_PER_PHRASE + 2
    start_section = int(rng.integers(2))
    sections = tuple((start_section + i // 2) % 2 for i in range(phrases))
    transpose = int(rng.choice((0, 2, 4)))
    track = np.zeros(int(round(seconds * sample_rate)))

    kick, snare = _kick(sample_rate), _noise(rng, sample_rate, 0.2, 0.06, 900.0)
    hat = _noise(rng, sample_rate, 0.08, 0.02, 6000.0)
    crash = _noise(rng, sample_rate, 1.0, 0.3, 3500.0)
    bars = [[note + transpose for note in chord] for chord in recipe.chords]
    basses = [_tone(sample_rate, bar[0] - 24, 0.9 * period, recipe.bass_harmonics, 0.4) for bar in bars]
    stabs = [sum(_tone(sample_rate, n, 1.8 * period, recipe.chord_harmonics, 0.5) for n in bar) for bar in bars]
    leads = [_tone(sample_rate, bar[2] + 12, 0.45 * period, recipe.chord_harmonics, 0.3) for bar in bars]
    for beat in range(first_beat - 2, first_beat + beat_times.size):
        if beat % BEATS_PER_PHRASE == 0:
            _add(track, sample_rate, phase + (beat - first_beat) * period, crash, 0.45)
        bar, in_bar = (beat // BEATS_PER_BAR) % 2, beat % BEATS_PER_BAR
        section = sections[max(0, beat // BEATS_PER_PHRASE)]
        for half in range(2):
            at = phase + (beat - first_beat + half / 2) * period
            slot = 2 * in_bar + half
            _add(track, sample_rate, at, kick, 0.9 * recipe.kick[slot])
            _add(track, sample_rate, at, snare, 0.5 * recipe.snare[slot])
            _add(track, sample_rate, at, hat, 0.5 * recipe.hat[slot])
            _add(track, sample_rate, at, stabs[bar], 0.12 * recipe.stab[slot])
            if section and (in_bar + half) % 2 == 0:
                _add(track, sample_rate, at, leads[bar], 0.35)
        _add(track, sample_rate, phase + (beat - first_beat) * period, basses[bar], 0.5 if in_bar == 0 else 0.3)
    track += 0.002 * rng.standard_normal(track.size)
    audio = (0.9 * track / np.abs(track).max()).astype(np.float32)
    return Song(audio, sample_rate, beat_times, tempo, genre, first_beat, sections)
