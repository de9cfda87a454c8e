"""Dances: key poses of the genre or of the choreography, one after the other, each reached on its beat."""

import dataclasses
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d

from data_pipeline.toy import moves
from data_pipeline.toy.figure import PARAMETER, Dancer, confidences, pose_joints
from data_pipeline.toy.music import BEATS_PER_PHRASE, Song

_FOLLOW_SECTION: Final = 0.9  # how often a phrase is danced with the pattern of its section


@dataclasses.dataclass(frozen=True)
class Motion:
    """poses: (F, 60, 3) float32 as detected: x, y, confidence. joints: (F, 60, 3) float64 as they are: x, y, depth."""

    poses: np.ndarray
    joints: np.ndarray


def _ease(u: np.ndarray) -> np.ndarray:
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def _genre_keys(rng: np.random.Generator, song: Song, count: int) -> np.ndarray:
    """(count, parameters): key pose k of the song's genre, for beat k * beats_per_move."""
    beats = moves.BEATS_PER_MOVE[song.genre]
    follow = rng.random(count * beats // BEATS_PER_PHRASE + 1) < _FOLLOW_SECTION
    keys = []
    for k in range(count):
        phrase = k * beats // BEATS_PER_PHRASE
        section = song.sections[min(phrase, len(song.sections) - 1)]
        pattern = moves.PATTERNS[song.genre][section if follow[phrase] else 1 - section]
        key = pattern[k % 4]
        keys.append(moves.mirror(key) if moves.MIRRORED[song.genre] and (k // 4) % 2 else key)
    return np.stack(keys)


def _danced(keys: np.ndarray, dancer: Dancer) -> np.ndarray:
    """Key poses as large as the dancer makes them."""
    return moves.NEUTRAL + dancer.energy * (keys - moves.NEUTRAL)


def _feet(state: np.ndarray, start: np.ndarray, end: np.ndarray, u: np.ndarray, dancer: Dancer) -> None:
    """Feet step one after the other, the one ahead first, so that the body glides over planted feet (in place)."""
    x = PARAMETER["x"]
    travel = (end[:, x] - start[:, x]) / dancer.stature
    for side, name in ((-1, "right"), (1, "left")):
        step, lift = PARAMETER[f"{name}_step"], PARAMETER[f"{name}_lift"]
        leads = side * travel >= 0
        local = np.where(leads, u / 0.6, (u - 0.4) / 0.6)
        before = start[:, x] / dancer.stature + side * start[:, step]
        after = end[:, x] / dancer.stature + side * end[:, step]
        place = before + _ease(local) * (after - before)
        state[:, step] = side * (place - state[:, x] / dancer.stature)
        arc = 4.0 * _ease(local) * (1.0 - _ease(local))
        state[:, lift] = np.maximum(state[:, lift], 0.0) + 0.35 * np.abs(after - before) * arc


def make_motion(
    rng: np.random.Generator, song: Song, dancer: Dancer, num_frames: int, fps: float = 30.0, aspect: float = 4 / 7,
    choreography: bool = False,
) -> Motion:
    """Dances to `song` for num_frames. `aspect` is frame width over height: joints outside of it have confidence 0.

    `choreography` dances moves.CHOREOGRAPHY, its first key pose on the first beat of every phrase, whatever the genre.
    """
    beats = song.beats(np.arange(num_frames) / fps) + BEATS_PER_PHRASE  # a phrase ahead: the song may start mid-beat
    beats_per_move = 1 if choreography else moves.BEATS_PER_MOVE[song.genre]
    count = beats / beats_per_move
    skipped = BEATS_PER_PHRASE // beats_per_move
    wanted = int(count[-1]) + 2 - skipped
    if choreography:
        keys = moves.CHOREOGRAPHY[np.arange(wanted) % BEATS_PER_PHRASE]
        bounce, before = moves.CHOREOGRAPHY_BOUNCE, moves.CHOREOGRAPHY[-1]
    else:
        keys = _genre_keys(rng, song, wanted)
        bounce, before = moves.BOUNCE[song.genre], _lead_in(song)
    keys = _danced(keys, dancer)
    keys += 0.02 * rng.standard_normal(keys.shape) * (np.abs(keys) > 0.05)
    keys = np.concatenate([keys[:1].repeat(skipped - 1, 0), _danced(before, dancer)[None], keys])
    index = count.astype(int)
    start, end, u = keys[index], keys[index + 1], count - index
    state = start + _ease(u)[:, None] * (end - start)
    _feet(state, start, end, u, dancer)
    pulse = 0.5 * (1.0 + np.cos(2.0 * np.pi * beats))
    state[:, PARAMETER["drop"]] += dancer.energy * bounce * pulse
    joints = pose_joints(state, dancer)
    score = confidences(joints, dancer, aspect)
    poses = np.concatenate([joints[..., :2], score[..., None]], axis=-1)
    noise = gaussian_filter1d(rng.standard_normal(poses[..., :2].shape), 2.0, axis=0)
    poses[..., :2] += noise * (0.0005 + 0.03 * np.clip(0.7 - score, 0.0, 0.7)[..., None])
    return Motion(poses.astype(np.float32), joints)


def _lead_in(song: Song) -> np.ndarray:
    """The key pose before beat 0 of the first phrase: the last of the phrase that would have come before."""
    pattern = moves.PATTERNS[song.genre][song.sections[0]]
    return moves.mirror(pattern[-1]) if moves.MIRRORED[song.genre] else pattern[-1]
