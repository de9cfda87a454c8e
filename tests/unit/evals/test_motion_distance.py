import dataclasses

import numpy as np
import pytest
from scipy.linalg import sqrtm

from tests.unit.evals.bodies import dancer, hidden
from xdancer_jax.evals.geometric import Geometric3D
from xdancer_jax.evals.kinetic import KINETIC_2D_BODY, Kinetic3D
from xdancer_jax.evals.motion_distance import MotionDistance
from xdancer_jax.evals.motion_features import features_of
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.normalisation import PUBLISHED

FEW = dataclasses.replace(KINETIC_2D_BODY, joints=(4, 7))
DISTANCE = MotionDistance(FEW, samples=20)


def _set(seeds, swing=0.08, frames=30):
    return MotionSet([dancer(seed, frames, swing) for seed in seeds], 30.0, [f"clip{seed}" for seed in seeds])


def test_agrees_with_the_published_form():
    """Bailando's: normalised by the real motions, np.cov, matrix square root."""
    ours, real = _set(range(12), 0.1), _set(range(20, 36))
    diversity, distance = MotionDistance(FEW, PUBLISHED, "published", samples=0).report(ours, real)
    a, b = (np.stack([FEW(poses, 30.0) for poses in each.poses]) for each in (ours, real))
    a, b = ((x - b.mean(axis=0)) / (b.std(axis=0) + 1e-10) for x in (a, b))
    cov = [np.cov(x, rowvar=False) for x in (a, b)]
    apart = a.mean(axis=0) - b.mean(axis=0)
    expected = apart @ apart + np.trace(cov[0] + cov[1]) - 2 * np.trace(sqrtm(cov[0] @ cov[1])).real
    np.testing.assert_allclose(distance.values["distance"], expected, rtol=1e-5)
    pairs = [np.linalg.norm(x - y) for i, x in enumerate(a) for y in a[:i]]
    np.testing.assert_allclose(diversity.values["diversity"], np.mean(pairs), rtol=1e-5)
    assert (diversity.protocol, distance.protocol) == ("div_published_kinetic_2d_body", "fid_published_kinetic_2d_body")


def test_rows_stand_where_they_must():
    real = _set(range(20))
    diversity, distance = DISTANCE.report(_set(range(30, 50)), real)
    for values, name in ((diversity.values, "diversity"), (distance.values, "distance")):
        assert set(values) >= {name, "low", "high", "ground_truth", "chance", "repeat_photo"}
        assert values["low"] <= values[name] <= values["high"]
    assert diversity.values["repeat_photo"] == 0  # nothing moves
    assert 0.1 < distance.values["ground_truth"] < distance.values["repeat_photo"]
    assert distance.values["distance"] < distance.values["repeat_photo"] < distance.values["chance"]
    _, same = DISTANCE.report(real, real)
    assert same.values["distance"] == pytest.approx(0, abs=1e-9)
    assert distance.counts["motions"] == 20 and distance.counts["real"] == 20
    assert distance.constants["features"]["id"] == "kinetic_2d_body" and distance.constants["fps"] == 30
    assert distance.constants["normalisation"]["by"] == "real"
    assert any("20 motions, the protocol wants 200" in note for note in distance.notes)


def test_what_cannot_be_measured_is_named_and_counted_never_averaged():
    whole, real = _set(range(8)), _set(range(20, 30))
    poses = [*whole.poses, hidden(dancer(9), 4), dancer(10)[:5]]
    ours = MotionSet(poses, 30.0, [*whole.names, "no hand", "brief"])
    diversity, distance = DISTANCE.report(ours, real)
    for found, alone in zip((diversity, distance), DISTANCE.report(whole, real), strict=True):
        assert found.counts["motions"] == 8 and found.counts["left_out"] == 2
        assert any("1 of 10 motions left out, 3 of their features" in n and "no hand" in n for n in found.notes)
        assert any("shorter than 6 frames: brief" in note for note in found.notes)
        assert found.values == alone.values
    few, nothing = DISTANCE.report(MotionSet(poses[7:], 30.0), real)
    assert np.isnan(few.values["diversity"]) and np.isnan(nothing.values["distance"])
    assert any("1 motions, two are needed" in note for note in nothing.notes)
    assert features_of(FEW, MotionSet(poses[8:], 30.0), "motions").left_out == 2


def test_another_rate_is_refused():
    real = _set(range(4))
    with pytest.raises(ValueError, match="30 fps, true ones at 25 fps"):
        DISTANCE.report(real, dataclasses.replace(real, fps=25.0))


def test_dances_in_space_as_bailando_measures_them():
    """24 joints in metres with both feature sets, normalised by the real dances with 1e-10 added."""
    rng = np.random.default_rng(0)
    walks = rng.normal(0, 0.3, (12, 1, 24, 3)) + np.cumsum(rng.normal(0, 0.02, (12, 20, 24, 3)), axis=1)
    ours, real = (
        MotionSet([np.concatenate([w, np.ones((20, 24, 1))], axis=-1) for w in half], 60.0)
        for half in (walks[:6], walks[6:])
    )
    for features in (Kinetic3D(), Geometric3D()):
        diversity, _ = MotionDistance(features, PUBLISHED, "published", samples=0).report(ours, real)
        a, b = (np.stack([features(poses, 60.0) for poses in each.poses]) for each in (ours, real))
        a = (a - b.mean(axis=0)) / (b.std(axis=0) + 1e-10)
        pairs = [np.linalg.norm(x - y) for i, x in enumerate(a) for y in a[:i]]
        np.testing.assert_allclose(diversity.values["diversity"], np.mean(pairs), rtol=1e-5)
        assert diversity.protocol == f"div_published_{features.id}"
