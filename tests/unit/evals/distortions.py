"""Dances on the beat, and five ways of spoiling them by degrees: what docs/metrics.md's table is made of.

python -m tests.unit.evals.distortions prints that table.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tests.unit.evals.bodies import dancer
from xdancer_jax.evals import motion_suite
from xdancer_jax.evals.diversity import Diversity
from xdancer_jax.evals.frechet import Frechet
from xdancer_jax.evals.jerk import Jerk
from xdancer_jax.evals.pose_error import pose_l1_half_height

DANCES, FRAMES, FPS = 12, 120, 30.0
LEVELS: Mapping[str, Sequence[float]] = {
    "jitter": (0, 0.003, 0.01, 0.03),  # deviation of white noise, half heights
    "shift": (0, 1, 3, 5),  # frames that the dance lags behind the music
    "freeze": (0, 0.3, 0.6, 0.9),  # share of the dance, from its end, that stands still
    "dropout": (0, 0.1, 0.2, 0.4),  # share of joints and frames that lose their confidence
    "copies": (0, 0.25, 0.5, 0.75),  # share of the dances that are copies of the first
}


def on_beat(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(F, 60, 3) whose joints move from one place to the next and stop there on each beat; the beats (F,), 0 or 1."""
    rng = np.random.default_rng(seed)
    apart, start = int(rng.integers(12, 19)), int(rng.integers(4, 12))
    beat = (np.arange(FRAMES) - start) / apart
    number, phase = np.floor(beat).astype(int), beat % 1
    count = number[-1] - number[0] + 2
    places = rng.normal(0, 0.12 * rng.uniform(0.5, 1.5), (count, 60, 2))
    weight = (phase - np.sin(2 * np.pi * phase) / (2 * np.pi))[:, None, None]  # its slope is 0 on the beat
    first = number - number[0]
    poses = dancer(seed, FRAMES, swing=0.0)
    poses[..., :2] += places[first] * (1 - weight) + places[first + 1] * weight
    return poses, (beat % 1 == 0) & (beat >= 0)


def spoilt(poses: np.ndarray, kind: str, level: float, seed: int) -> np.ndarray:
    """`poses` with `level` of a distortion."""
    rng, changed = np.random.default_rng(seed), poses.copy()
    if kind == "jitter":
        changed[..., :2] += rng.normal(0, 1, changed[..., :2].shape) * level
    elif kind == "shift":
        changed = np.concatenate([np.repeat(poses[:1], int(level), axis=0), poses])[: len(poses)]
    elif kind == "freeze":
        last = round((1 - level) * (len(poses) - 1))
        changed[last:] = changed[last]
    else:
        changed[..., 2] = np.where(rng.uniform(size=changed.shape[:2]) < level, 0.0, changed[..., 2])
        changed[:, [2, 5, 8, 11], 2] = 1  # the torso stays, by which everything is scaled
    return changed


def dances_at(kind: str, level: float) -> list[np.ndarray]:
    """All dances with `level` of a distortion."""
    if kind == "copies":
        copied = round(level * DANCES)
        return [_clean()[0][0]] * copied + list(_clean()[0][copied:])
    return [spoilt(poses, kind, level, i) for i, poses in enumerate(_clean()[0])]


@functools.cache
def _clean() -> tuple[list[np.ndarray], list[np.ndarray]]:
    return tuple(map(list, zip(*(on_beat(seed) for seed in range(DANCES)), strict=True)))


@functools.cache
def _true_features(protocol) -> np.ndarray:
    return np.stack([protocol(poses, FPS) for poses in _clean()[0]])


@functools.cache
def table(kind: str) -> dict[str, list[float]]:
    """Every metric's main figure at every level of a distortion, by protocol."""
    rows: dict[str, list[float]] = {}
    for level in LEVELS[kind]:
        made = dances_at(kind, level)
        for name, value in _figures(made):
            rows.setdefault(name, []).append(value)
    return rows


def _figures(made: Sequence[np.ndarray]) -> Iterator[tuple[str, float]]:
    true, beats = _clean()
    for each in motion_suite.BEATS:
        yield each.id, float(np.mean([each(*pair, FPS).score for pair in zip(made, beats, strict=True)]))
    for each in motion_suite.DISTANCES:
        rows = np.stack([each.features(poses, FPS) for poses in made])
        real, scale = _true_features(each.features), each.normalisation
        name = f"{each.prefix}_{each.features.id}"
        yield f"div_{name}", Diversity(normalisation=scale)(rows, real)
        yield f"fid_{name}", Frechet()(scale(rows, real), scale(real, real))
    jerk = Jerk()
    yield jerk.id, float(np.mean([jerk(poses, FPS) for poses in made]))
    error = pose_l1_half_height()
    yield error.id, error(np.stack(made), np.stack(true), {"all": range(60)})["all"]


def arrow(values: Sequence[float]) -> str:
    """"up" or "down" for figures that grow or fall with every level, "same" for what stays within a twentieth, else
    "mixed"."""
    steps = np.diff(values)
    if max(values) - min(values) <= 0.05 * max(map(abs, values)):
        return "same"
    return "up" if (steps > 0).all() else "down" if (steps < 0).all() else "mixed"


def main() -> None:
    """Prints the table."""
    columns = {kind: table(kind) for kind in LEVELS}
    for name in columns["jitter"]:
        cells = [" ".join([arrow(of[name]), *(f"{value:.3g}" for value in of[name])]) for of in columns.values()]
        print(f"| `{name}` | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
