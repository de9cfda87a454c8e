"""Music features on one core, beside librosa called one feature at a time.

As a module of its own it is the process whose threads are held to one: python -m benchmarks.measures.music_speed JSON
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks import timing
from benchmarks.measures.found import Found
from data_pipeline import audio_files, music, toy
from data_pipeline.music import kernels, librosa35
from data_pipeline.music.timing import HOP, SAMPLE_RATE

FASTER: Final = 20  # than the song plays
_RATE: Final = 44_100  # Hz, as songs are read for a data set


class Sizes(NamedTuple):
    """songs: sound files; none for a toy song of `seconds`. repeats: turns of both."""

    songs: tuple[str, ...] = ()
    seconds: float = 60.0
    repeats: int = 5


BRIEF = Sizes(seconds=5.0, repeats=1)


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """A row a song: how much faster than it plays, ours and theirs, and how far their columns differ at most."""
    rows = []
    for song in sizes.songs or ("",):
        audio = audio_files.read_audio(song, _RATE) if song else _toy(sizes.seconds)
        with one_core():
            rows.append({"song": Path(song).name or "toy", **compared(audio, sizes.repeats)})
    slowest = min(row["ours_times_real_time"] for row in rows)
    ratios = [row["ratio"] for row in rows]
    return Found(
        f"{slowest:.0f} times real time at least; {min(ratios):.2f} to {max(ratios):.2f} times librosa's speed",
        f"{FASTER} times real time and no slower than librosa", slowest >= FASTER and min(ratios) >= 1, {"rows": rows},
    )


def compared(audio: np.ndarray, repeats: int) -> dict[str, float]:
    """Of (N,) samples at _RATE."""
    found, began = music.extract("librosa35", audio, _RATE), time.process_time()
    whole = time.perf_counter()
    ours, theirs = timing.medians(
        repeats, lambda: music.extract("librosa35", audio, _RATE), lambda: plain(audio, _RATE)
    )
    cores = (time.process_time() - began) / (time.perf_counter() - whole)
    seconds = len(audio) / _RATE
    return {
        "seconds": seconds, "ours_times_real_time": seconds / ours, "librosa_times_real_time": seconds / theirs,
        "ratio": theirs / ours, "cores": cores, "difference": float(np.abs(found - plain(audio, _RATE)).max()),
    }


def plain(audio: np.ndarray, rate: int) -> np.ndarray:
    """(F, 35) float32: the columns of librosa35, each from the samples alone, as librosa's tutorials have it."""
    with kernels.ready():
        import librosa

        samples = librosa.resample(audio, orig_sr=rate, target_sr=SAMPLE_RATE)
        count = round(len(samples) / HOP)
        samples = librosa.util.fix_length(samples, size=count * HOP)
        clock = {"sr": SAMPLE_RATE, "hop_length": HOP}
        found = np.zeros((count, librosa35.FEATURES.width), np.float32)
        found[:, librosa35.ENVELOPE] = librosa.onset.onset_strength(y=samples, **clock)[:count]
        found[:, librosa35.MFCC] = librosa.feature.mfcc(y=samples, n_mfcc=20, **clock).T[:count]
        found[:, librosa35.CHROMA] = librosa.feature.chroma_cens(y=samples, n_chroma=12, **clock).T[:count]
        onsets = librosa.onset.onset_detect(y=samples, **clock)
        tempo = librosa.feature.tempo(y=samples, **clock)
        envelope = librosa.onset.onset_strength(y=samples, **clock)  # anew; beat_track's own is a median over bands
        beats = librosa.beat.beat_track(onset_envelope=envelope, start_bpm=float(tempo[0]), **clock)[1]
        found[onsets[onsets < count], librosa35.ONSET] = 1
        found[beats[beats < count], librosa35.BEAT] = 1
    return found


def _toy(seconds: float) -> np.ndarray:
    song = toy.make_song(np.random.default_rng(0), 0, seconds, _RATE)
    return song.audio


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Holds this thread, and those that it starts, to one core (Linux)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    print(json.dumps(measure(Sizes(**json.loads(sys.argv[1])))))


__all__ = ["BRIEF", "FASTER", "Sizes", "compared", "measure", "one_core", "plain"]
