"""Dancers with 60 joints for tests of motion metrics: standing people whose joints swing."""

import numpy as np

_BODY = np.array([
    [0, -0.8], [0, -0.6], [-0.15, -0.6], [-0.25, -0.4], [-0.3, -0.2], [0.15, -0.6], [0.25, -0.4], [0.3, -0.2],
    [-0.1, 0], [-0.12, 0.4], [-0.12, 0.8], [0.1, 0], [0.12, 0.4], [0.12, 0.8],
    [-0.03, -0.85], [0.03, -0.85], [-0.06, -0.82], [0.06, -0.82],
])  # fmt: skip


def dancer(seed, frames=60, swing=0.08, fps=30):
    """(F, 60, 3) float64, record coordinates, all joints seen: every joint swings at 0.5 to 2 turns a second."""
    rng = np.random.default_rng(seed)
    rest = np.concatenate([_BODY, _BODY[[7] * 21] + 0.02, _BODY[[4] * 21] - 0.02])
    times = np.arange(frames)[:, None, None] / fps
    rate, phase = rng.uniform(0.5, 2, (1, 60, 2)), rng.uniform(0, 2 * np.pi, (1, 60, 2))
    size = swing * rng.uniform(0.3, 1.7) * rng.uniform(0.3, 1.7, (1, 60, 2))
    xy = rest + size * np.sin(2 * np.pi * rate * times + phase)
    return np.concatenate([xy, np.ones((frames, 60, 1))], axis=-1)


def hidden(poses, joints, frames=slice(None)):
    """With these joints unseen, and elsewhere."""
    changed = poses.copy()
    changed[frames, joints] = (9, 9, 0)
    return changed
