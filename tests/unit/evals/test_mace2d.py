"""Against loops over the description of MACE-Dance's script: its speeds, paddings and thresholds."""

import numpy as np
from scipy.signal import convolve

from tests.unit.evals.bodies import dancer, hidden
from xdancer_jax.evals.joints import BODY, HIPS
from xdancer_jax.evals.mace2d import GeometricMace2D, KineticMace2D
from xdancer_jax.evals.predicates import ALL


def _smooth(values):
    return convolve(values, np.ones(5) / 5, mode="same")


def _kinetic_by_hand(pixels):
    """(F, 18, 2) at 16 frames a second."""
    centred = pixels - pixels[:, list(HIPS)].mean(axis=1, keepdims=True)
    found = []
    for j in range(1, 14):
        smooth = []
        for axis in (0, 1):
            steps = np.diff(centred[:, j, axis]) * 30
            smooth.append(_smooth(np.append(steps[0], steps)))
        change = [np.diff(values) * 30 for values in smooth]
        change = [_smooth(np.append(values[0], values)) for values in change]
        found += [np.mean(smooth[0] ** 2), np.mean(smooth[1] ** 2), np.mean(np.hypot(*change))]
    return np.array(found)


def test_kinetic_features_agree():
    poses = dancer(0, 40)
    np.testing.assert_allclose(KineticMace2D()(poses, 16), _kinetic_by_hand(poses[:, :18, :2] * 448), rtol=1e-5)


def _geometric_by_hand(points):
    names = {name[0] + name.partition("_")[2] if "_" in name else name: i for i, name in enumerate(BODY)}
    body = {name: points[:, i] for name, i in names.items()}
    root, chest = (body["lhip"] + body["rhip"]) / 2, (body["lshoulder"] + body["rshoulder"]) / 2
    body |= {"root": root, "belly": root, "chest": chest, "neck": chest, "zero": 0 * root, "y_unit": 0 * root + (0, 1)}
    width = np.linalg.norm(body["lshoulder"][0] - body["rshoulder"][0])
    found = np.zeros((len(points) - 1, 32))
    for t in range(1, len(points)):
        for k, (kind, joints, limit, _) in enumerate(ALL):
            if kind == "angle":
                one, other = (body[joints[i + 1]][t] - body[joints[i]][t] for i in (0, 2))
                cosine = one @ other / (np.linalg.norm(one) + 1e-6) / (np.linalg.norm(other) + 1e-6)
                found[t - 1, k] = limit[0] <= np.degrees(np.arccos(np.clip(cosine, -1, 1))) <= limit[1]
            elif kind not in ("plane", "nplane"):  # which are never true there
                found[t - 1, k] = np.linalg.norm(body[joints[0]][t] - body[joints[0]][t - 1]) > limit[0] * width
    return found.mean(axis=0)


def test_geometric_features_agree():
    poses = dancer(1, 40, swing=1.5)
    poses[:, [2, 5], :2] = (-0.05, -0.6), (0.05, -0.6)  # so narrow that steps are longer than some limits
    expected = _geometric_by_hand(poses[..., :2])
    np.testing.assert_allclose(GeometricMace2D()(poses, 16), expected, atol=1e-12)
    assert ((expected > 0) & (expected < 1)).sum() > 8


def test_motion_at_30_fps_is_brought_to_16():
    slow, fast = dancer(2, 33, fps=16), dancer(2, 61, fps=30)  # the same 2 s
    np.testing.assert_allclose(KineticMace2D()(fast, 30), KineticMace2D()(slow, 16), rtol=1e-2)


def test_joints_never_seen_are_not_defined():
    poses = dancer(3, 30)
    found = KineticMace2D()(hidden(poses, 4), 16)
    assert np.isnan(found[9:12]).all() and np.isfinite(np.delete(found, [9, 10, 11])).all()
    assert np.isnan(GeometricMace2D()(hidden(poses, 4), 16)).all()
    assert np.isfinite(GeometricMace2D()(hidden(poses, slice(18, 60)), 16)).all()
