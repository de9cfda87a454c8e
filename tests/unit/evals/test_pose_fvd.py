import numpy as np
import pytest

from data_pipeline.poses import draw
from tests.unit.evals.bodies import dancer
from xdancer_jax.evals.frechet import Frechet
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.pose_fvd import PoseFVD

PROTOCOL = PoseFVD("means", frames=6, stride=4, height=32, width=16, batch=3, minimum=9, samples=20)


def _features(pictures):
    """Means over pixels and what changes from frame to frame: (B, 4)."""
    assert pictures.dtype == np.uint8 and pictures.shape[1:] == (6, 32, 16, 3) and len(pictures) <= 3
    scaled = pictures / 255
    change = np.abs(np.diff(scaled, axis=1)).mean(axis=(1, 2, 3, 4))
    return np.concatenate([scaled.mean(axis=(1, 2, 3)), change[:, None]], axis=-1)


def _sets(swing=0.08):
    return [MotionSet([dancer(i + first, n, swing) for i, n in enumerate((20, 14, 6))], 30.0) for first in (0, 50)]


def test_clips_are_drawn_and_compared():
    ours, real = _sets()
    found = PROTOCOL.report(ours, real, draw, _features)
    rows, owners = PROTOCOL.features(ours, draw, _features)
    assert owners.tolist() == [0, 0, 0, 0, 1, 1, 1, 2]  # 20 frames give starts 0, 4, 8, 12; 14 give 0, 4, 8
    window = draw(ours.poses[0][8:14], 32, 16)
    np.testing.assert_allclose(rows[2], _features(window[None])[0])
    others, _ = PROTOCOL.features(real, draw, _features)
    np.testing.assert_allclose(found.values["distance"], Frechet()(rows, others))
    assert found.counts["clips"] == 8 and found.constants["network"] == "means"
    assert any("8 samples, the protocol wants 9" in note for note in found.notes)
    assert found.values["low"] <= found.values["distance"] <= found.values["high"]


def test_baselines_and_short_motions():
    real = _sets()[1]
    short = MotionSet([*real.poses, dancer(3, 5)], 30.0, ["a", "b", "c", "brief"])
    found = PROTOCOL.report(short, real, draw, _features)
    assert found.values["distance"] == pytest.approx(0, abs=1e-9)
    assert found.values["repeat_photo"] > 1e-4 and found.values["chance"] > 1e-4
    assert found.counts["left_out"] == 1 and any("shorter than 6 frames: brief" in note for note in found.notes)
    with pytest.raises(ValueError, match="not finite"):
        PROTOCOL.report(real, real, draw, lambda pictures: np.full((len(pictures), 4), np.nan))
