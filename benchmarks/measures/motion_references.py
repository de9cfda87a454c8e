"""Motion metrics as their sources have them: loops over frames, joints and pairs, beside which ours are timed.

Written from descriptions of Bailando (beats, distances) and fairmotion (features); tests/unit/evals holds ours to loops
of its own.
"""

import numpy as np
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter1d
from scipy.signal import argrelextrema


def bailando_beats(places: np.ndarray, beats: np.ndarray) -> float:
    """Score of places (F, J, 2) at 60 frames a second against the frames of beats."""
    speed = np.mean(np.sqrt(np.sum((places[1:] - places[:-1]) ** 2, axis=2)), axis=1)
    found, beats = argrelextrema(gaussian_filter1d(speed, 5), np.less)[0], beats[beats < len(speed)]
    return sum(np.exp(-np.min((found - beat) ** 2) / 2 / 9) for beat in beats) / len(beats)


def mint_beats(places: np.ndarray, beats: np.ndarray) -> float:
    """The same by mint."""
    steps = np.linalg.norm(places[1:] - places[:-1], axis=2)
    speed = np.append(0, np.sum(steps, axis=1))
    found = argrelextrema(speed, np.less, order=10)[0]
    return sum(np.exp(-np.min(np.abs(beats - beat)) ** 2 / 2 / 9) for beat in found) / len(found)


def kinetic(places: np.ndarray, fps: float, window: int = 2) -> np.ndarray:
    """(3 J,) of places (F, J, 2), a frame of a joint at a time."""
    found = []
    for joint in range(places.shape[1]):
        across = up = energy = 0.0
        for i in range(1, len(places)):
            velocity, acceleration, steps, turns = np.zeros(2), np.zeros(2), 0, 0
            for j in range(max(1, i - window), min(len(places), i + window + 1)):
                velocity += places[j, joint] - places[j - 1, joint]
                steps += 1
                if j + 1 < len(places):
                    acceleration += (places[j + 1, joint] - 2 * places[j, joint] + places[j - 1, joint]) * fps**2
                    turns += 1
            velocity *= fps / steps
            across, up = across + velocity[0] ** 2, up + velocity[1] ** 2
            energy += np.linalg.norm(acceleration / max(turns, 1))
        found += [across, up, energy]
    return np.array(found) / (len(places) - 1)


def geometric(places: np.ndarray, angles: list[tuple[int, ...]], fast: list[int], limit: float) -> np.ndarray:
    """Shares of steps in which angles of joints are small, and joints fast: fairmotion's two simplest statements."""
    found = []
    for i in range(1, len(places)):
        holds = []
        for a, b, c, d in angles:
            one, other = places[i, b] - places[i, a], places[i, d] - places[i, c]
            cosine = np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other))
            holds.append(0 < np.degrees(np.arccos(cosine)) < 110)
        holds += [np.linalg.norm(places[i, joint] - places[i - 1, joint]) > limit for joint in fast]
        found.append(holds)
    return np.mean(found, axis=0)


def jerk(places: np.ndarray, fps: float) -> float:
    """Mean length of the third derivative, a joint at a time."""
    lengths = [np.linalg.norm(np.diff(places[:, j], 3, axis=0), axis=1) * fps**3 for j in range(places.shape[1])]
    return float(np.mean(lengths))


def diversity(rows: np.ndarray) -> float:
    """Mean distance of all pairs."""
    total = 0.0
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            total += np.linalg.norm(rows[i] - rows[j])
    return total / (len(rows) * (len(rows) - 1) / 2)


def frechet(rows: np.ndarray, real: np.ndarray) -> float:
    """By the matrix square root."""
    one, other = (np.cov(each, rowvar=False) for each in (rows, real))
    apart = rows.mean(axis=0) - real.mean(axis=0)
    return float(apart @ apart + np.trace(one + other) - 2 * np.trace(sqrtm(one @ other)).real)


def pose_l1(predicted: np.ndarray, target: np.ndarray) -> float:
    """Mean |x - x_hat| over the joints that are visible, a pose at a time."""
    errors = [np.abs(p[t[:, 2] > 0.3, :2] - t[t[:, 2] > 0.3, :2]) for p, t in zip(predicted, target, strict=True)]
    return float(np.concatenate(errors).mean())


__all__ = ["bailando_beats", "diversity", "frechet", "geometric", "jerk", "kinetic", "mint_beats", "pose_l1"]
