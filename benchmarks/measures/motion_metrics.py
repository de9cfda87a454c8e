"""Motion metrics: frames a second beside loops as their sources have them, seconds and memory of all for a test set.

As a module of its own it is a process: python -m benchmarks.measures.motion_metrics JSON
"""

import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks import timing
from benchmarks.measures import motion_references as references
from benchmarks.measures.found import Found
from xdancer_jax.evals.beat_alignment import BAS_BAILANDO_60FPS, BAS_MINT_60FPS
from xdancer_jax.evals.diversity import Diversity
from xdancer_jax.evals.frechet import Frechet
from xdancer_jax.evals.geometric import GEOMETRIC_2D
from xdancer_jax.evals.jerk import Jerk
from xdancer_jax.evals.joints import BODY_INDICES
from xdancer_jax.evals.kinetic import KINETIC_2D_BODY
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.motion_suite import motion_results
from xdancer_jax.evals.pose_error import pose_l1_half_height

FPS = 30
_LIMIT = 60  # seconds that all metrics of a test set may take
_ANGLES, _FAST = [(3, 2, 3, 4), (6, 5, 6, 7), (9, 8, 9, 10), (12, 11, 12, 13)], [4, 7, 10, 13]


class Sizes(NamedTuple):
    """clips: of the test set. frames: of each. few: clips whose memory is told apart from that of 4 times as many."""

    clips: int = 230
    frames: int = 300
    few: int = 20
    repeats: int = 21


BRIEF = Sizes(6, 40, 3, 1)


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """Whether none is slower than its reference, all take less than a minute, and memory does not grow with clips."""
    rows = [_row(name, sizes, *pair) for name, pair in _pairs(sizes).items()]
    seconds, computing = _suite(sizes.clips, sizes.frames)
    few, many = (_extra(count, sizes.frames) for count in (sizes.few, 4 * sizes.few))
    slowest = min(rows, key=lambda row: row["times"])
    told = (
        f"slowest beside its reference: {slowest['metric']} {slowest['times']:.2g} times as fast; all of {sizes.clips} "
        f"clips of {sizes.frames / FPS:g} s in {seconds:.1f} s ({computing:.1f} s of a core); "
        f"{few / 1e6:.1f} MB beside the poses of {sizes.few} clips, {many / 1e6:.1f} MB of {4 * sizes.few}"
    )
    met = slowest["times"] >= 1 and seconds < _LIMIT and many < 1.5 * few + 4e6
    bar = f"none slower, all within {_LIMIT} s, memory flat"
    figures = {"seconds": seconds, "core_seconds": computing, "few_bytes": few, "many_bytes": many}
    return Found(told, bar, met, {"rows": rows, **figures})


def _pairs(sizes: Sizes) -> Mapping[str, tuple[int, Callable[[], Any], Callable[[], Any]]]:
    """Frames that each takes, ours, and the reference."""
    clip, beats = _dance(0, sizes.frames), np.arange(5, sizes.frames, 17)
    places, body = clip[..., :2].astype(np.float64), clip[:, list(BODY_INDICES)]
    ours, real = (np.random.default_rng(i).normal(size=(sizes.clips, 39)) for i in (0, 1))
    frames = sizes.clips * sizes.frames
    wrong = clip + np.float32(0.1)
    return {
        "bas_bailando_60fps": (
            sizes.frames, lambda: BAS_BAILANDO_60FPS(body, beats, 60),
            lambda: references.bailando_beats(places[:, list(BODY_INDICES)], beats),
        ),
        "bas_mint_60fps": (
            sizes.frames, lambda: BAS_MINT_60FPS(body, beats, 60),
            lambda: references.mint_beats(places[:, list(BODY_INDICES)], beats),
        ),
        "kinetic_2d_body": (
            sizes.frames, lambda: KINETIC_2D_BODY(clip, FPS),
            lambda: references.kinetic(places[:, list(BODY_INDICES)], FPS),
        ),
        "geometric_2d": (
            sizes.frames, lambda: GEOMETRIC_2D(clip, FPS), lambda: references.geometric(places, _ANGLES, _FAST, 0.05),
        ),
        "jerk_2d_body": (
            sizes.frames, lambda: Jerk()(clip, FPS), lambda: references.jerk(places[:, list(BODY_INDICES)], FPS),
        ),
        "diversity": (frames, lambda: Diversity()(ours, real), lambda: references.diversity(ours)),
        "frechet": (frames, lambda: Frechet()(ours, real), lambda: references.frechet(ours, real)),
        "pose_l1_half_height": (
            sizes.frames, lambda: pose_l1_half_height()(wrong, clip, {"all": range(60)}),
            lambda: references.pose_l1(wrong, clip),
        ),
    }


def _row(name: str, sizes: Sizes, frames: int, ours: Callable[[], Any], theirs: Callable[[], Any]) -> dict[str, Any]:
    mine, other = timing.medians(sizes.repeats, ours, theirs)
    return {
        "metric": name, "frames_a_second": frames / mine, "reference_frames_a_second": frames / other,
        "times": other / mine,
    }


def _dance(seed: int, frames: int) -> np.ndarray:
    """(F, 60, 3) float32, joints that swing about a body."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames)[:, None, None] / FPS
    swing = 0.1 * np.sin(2 * np.pi * rng.uniform(0.3, 2, (1, 60, 2)) * times + rng.uniform(0, 6, (1, 60, 2)))
    return np.concatenate([rng.uniform(-0.8, 0.8, (1, 60, 2)) + swing, np.ones((frames, 60, 1))], axis=-1, dtype="f4")


def _sets(count: int, frames: int) -> tuple[MotionSet, MotionSet, list[np.ndarray]]:
    made, true = (MotionSet([_dance(first + i, frames) for i in range(count)], FPS) for first in (0, 10_000))
    return made, true, [np.arange(frames) % (12 + i % 9) == 5 for i in range(count)]


def _suite(count: int, frames: int) -> tuple[float, float]:
    """Seconds of all metrics, and of a core's work, which other programs do not lengthen."""
    made, true, beats = _sets(count, frames)
    began, worked = time.perf_counter(), time.process_time()
    motion_results(made, true, beats)
    return time.perf_counter() - began, time.process_time() - worked


def _extra(count: int, frames: int) -> int:
    """Bytes that all metrics take at once beside the poses that they are given."""
    made, true, beats = _sets(count, frames)
    tracemalloc.start()
    try:
        motion_results(made, true, beats)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    print(json.dumps(measure(Sizes(**json.loads(sys.argv[1])))))


__all__ = ["BRIEF", "Sizes", "measure"]
