"""Music features at 30 fps: the 35 columns of the AIST++/EDGE librosa baseline, on video time.

Audio is resampled to 15360 Hz and analysed with a hop of 512 samples, so row t is centred on video time t / 30 s.
"""

import contextlib
import fcntl
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from data_pipeline.feature_sets import FeatureSet

FPS: Final = 30
HOP: Final = 512
SAMPLE_RATE: Final = FPS * HOP

ENVELOPE: Final = 0
MFCC: Final = slice(1, 21)
CHROMA: Final = slice(21, 33)
ONSET: Final = 33
BEAT: Final = 34
NUM_FEATURES: Final = 35

DEFAULT: Final = "librosa35"  # feature set of whoever does not choose

_SILENCE: Final = 1e-4  # peak amplitude
_MIN_FRAMES: Final = 15
_MAX_MISSING: Final = 15  # frames a sound track may end before its video
_CHROMA_SAMPLES: Final = 4 * SAMPLE_RATE  # the lowest octave of the constant-Q transform needs this much signal

# Column means and spreads over four real songs (electronic, folk-pop, orchestral, trumpet), rounded. One-hots stay.
_OFFSET: Final = np.array([1.5, -200, 90] + [0] * 18 + [0.25] * 12 + [0] * 2, np.float32)
_SCALE: Final = np.array([2, 120, 40, 40] + [20] * 4 + [12] * 13 + [0.15] * 12 + [1] * 2, np.float32)


def find(name: str) -> FeatureSet:
    """The feature set of this name that is computed here. Raises ValueError for another."""
    if name != DEFAULT:
        raise ValueError(f"no feature set {name!r} is computed here; known are {DEFAULT}")
    return FeatureSet(name, "1", tuple(_OFFSET.tolist()), tuple(_SCALE.tolist()))


def extract(name: str, audio: np.ndarray, sample_rate: int, num_frames: int | None = None) -> np.ndarray:
    """`features` of the set of this name."""
    find(name)
    return features(audio, sample_rate, num_frames)


def beats(audio: np.ndarray, sample_rate: int, num_frames: int | None = None) -> np.ndarray:
    """(N,) int32 frames of the beats."""
    return np.flatnonzero(features(audio, sample_rate, num_frames)[:, BEAT]).astype(np.int32)


def features(audio: np.ndarray, sample_rate: int, num_frames: int | None = None) -> np.ndarray:
    """Features of one clip or song.

    Args:
        audio: (N,) float samples, mono, full scale 1.
        sample_rate: of `audio`, in Hz.
        num_frames: rows wanted. Longer audio is cut; audio that ends up to 0.5 s early is padded with silence.
            Default: as many whole frames as the audio holds.

    Returns:
        (F, 35) float32, raw librosa units; `normalise` prepares them for a network. Tempo is librosa's own estimate.

    Raises:
        ValueError: audio that is empty, not mono, not finite, silent or too short.
    """
    audio = _check(audio, sample_rate)
    with _alone_at_first():
        return _features(audio, sample_rate, num_frames)


def _features(audio: np.ndarray, sample_rate: int, num_frames: int | None) -> np.ndarray:
    _find_cache()
    import librosa

    audio = librosa.resample(audio, orig_sr=sample_rate, target_sr=SAMPLE_RATE)
    available = round(len(audio) / HOP)
    frames = available if num_frames is None else num_frames
    if frames < _MIN_FRAMES or available < _MIN_FRAMES:
        raise ValueError(
            f"audio: too short, {len(audio) / SAMPLE_RATE:.2f} s for {frames} frames; "
            f"at least {_MIN_FRAMES / FPS:.1f} s is needed"
        )
    if available + _MAX_MISSING < frames:
        raise ValueError(
            f"audio: too short, {len(audio) / SAMPLE_RATE:.2f} s for {frames} frames ({frames / FPS:.2f} s); "
            "give a longer track or ask for fewer frames"
        )
    audio = _fit(audio, frames * HOP)

    envelope = librosa.onset.onset_strength(y=audio, sr=SAMPLE_RATE, hop_length=HOP)
    mfcc = librosa.feature.mfcc(y=audio, sr=SAMPLE_RATE, n_mfcc=20, hop_length=HOP)
    chroma = librosa.feature.chroma_cens(
        y=_fit(audio, max(len(audio), _CHROMA_SAMPLES)), sr=SAMPLE_RATE, hop_length=HOP, n_chroma=12
    )
    rows = np.zeros((frames + 1, NUM_FEATURES), np.float32)
    rows[:, ENVELOPE] = envelope
    rows[:, MFCC] = mfcc.T
    rows[:, CHROMA] = chroma.T[: frames + 1]
    rows[_onsets(envelope), ONSET] = 1
    rows[_beats(envelope), BEAT] = 1
    return rows[:frames]  # librosa adds one frame centred on the end


_compiled: list[bool] = []  # holds one item once this process has librosa's kernels


@contextlib.contextmanager
def _alone_at_first() -> Iterator[None]:
    """Lets one process of this user at a time through, each process's first time only.

    librosa's numba kernels are written to a disk cache on first use. Two processes that write it at once leave a cache
    that crashes (segmentation fault) whoever loads it next.
    """
    if _compiled:
        yield
        return
    with (Path(tempfile.gettempdir()) / f"xdancer_jax_numba_{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        _compiled.append(True)


def _find_cache() -> None:
    """Names a folder for numba's kernels where it would find none: it compiles nothing if it can write neither beside
    librosa nor into the home directory, as in a container. To be called before librosa is imported."""
    places = Path(importlib.util.find_spec("librosa").origin).parent, Path(os.path.expanduser("~/.cache"))
    if "NUMBA_CACHE_DIR" not in os.environ and not any(_writable(place) for place in places):
        os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"xdancer_jax_numba_{os.getuid()}")


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _check(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise ValueError(f"audio: expected mono samples (N,), got shape {audio.shape}; average the channels first")
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"audio: expected float samples in [-1, 1], got {audio.dtype}; divide by full scale first")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate: {sample_rate} is not a rate in Hz")
    if audio.size == 0:
        raise ValueError("audio: empty, no samples; check the file has a sound track")
    if not np.isfinite(audio).all():
        raise ValueError("audio: holds NaN or infinite samples; decode the file again")
    if np.abs(audio).max() < _SILENCE:
        raise ValueError(f"audio: silent, no sample reaches {_SILENCE:g} of full scale; choose a track with music")
    return audio.astype(np.float32)


def _fit(audio: np.ndarray, length: int) -> np.ndarray:
    return np.pad(audio[:length], (0, max(0, length - len(audio))))


def _onsets(envelope: np.ndarray) -> np.ndarray:
    import librosa

    return librosa.onset.onset_detect(onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP)


def _beats(envelope: np.ndarray) -> np.ndarray:
    import librosa

    tempo = librosa.feature.tempo(onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP)
    return librosa.beat.beat_track(
        onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=HOP, start_bpm=float(tempo[0]), tightness=100
    )[1]


def normalise(music: np.ndarray) -> np.ndarray:
    """Raw features (..., 35) to network inputs of about zero mean and unit scale; the two one-hots stay 0 or 1.

    Fixed constants, no statistics of a data set: training and generation agree without a file. Loaders call this,
    and whoever feeds `features` of a new song to a model must; records and `features` hold raw units.
    """
    return ((music - _OFFSET) / _SCALE).astype(np.float32)


def pool(music: np.ndarray, bins: int) -> np.ndarray:
    """Averages (F, M) over time into (bins, M). Bins cover the song evenly; they share frames where F < bins."""
    frames = len(music)
    if bins < 1 or frames < 1:
        raise ValueError(f"music: cannot pool {frames} frames into {bins} bins")
    edges = np.arange(bins + 1) * frames / bins
    starts, stops = np.floor(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
    sums = np.concatenate([np.zeros((1, music.shape[1])), np.cumsum(music, axis=0, dtype=np.float64)])
    return ((sums[stops] - sums[starts]) / (stops - starts)[:, None]).astype(np.float32)
