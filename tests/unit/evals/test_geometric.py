import math

import numpy as np

from tests.unit.evals.bodies import dancer, hidden
from xdancer_jax.evals.geometric import GEOMETRIC_2D, HIPS, HUMERUS, SHOULDERS, SMPL, Geometric3D
from xdancer_jax.evals.predicates import ALL

UNITS = {"humerus": HUMERUS, "shoulders": SHOULDERS, "hips": HIPS}


def _by_hand(points):
    """fairmotion's 32 features of points (F, 24, 3), frame by frame, as its code has them."""
    found = np.zeros((len(points) - 1, 32))
    for t in range(1, len(points)):
        now, before = (dict(zip(SMPL, points[i], strict=True)) for i in (t, t - 1))
        lowest = min(y for _, y, _ in points[t])
        now |= {"zero": np.zeros(3), "y_unit": np.array([0, 1, 0]), "minus_y_unit": np.array([0, -1, 0]),
                "y_min": np.array([0, lowest, 0])}
        for k, (kind, names, limit, unit) in enumerate(ALL):
            a, *rest = (now[name] for name in names)
            scale = UNITS[unit]
            if kind == "angle":
                one, other = rest[0] - a, rest[2] - rest[1]
                cosine = one @ other / math.sqrt((one @ one) * (other @ other))
                holds = limit[0] < math.degrees(math.acos(cosine)) < limit[1]
            elif kind == "fast":
                holds = np.linalg.norm(a - before[names[0]]) * 120 > limit[0] * scale
            elif kind == "nplane":
                normal = rest[0] - a
                holds = normal @ (rest[2] - rest[1]) / np.linalg.norm(normal) > limit[0] * scale
            elif kind == "plane":
                normal = np.cross(rest[1] - a, rest[0] - a)
                holds = normal @ (rest[2] - a) / np.linalg.norm(normal) > limit[0] * scale
            else:
                third = names[2] if kind == "move" else names[3]
                moved = now[third] - a - (before[third] - before[names[0]])
                way = rest[0] - a if kind == "move" else np.cross(rest[1] - a, rest[0] - a)
                holds = moved @ way / np.linalg.norm(way) * 120 > limit[0] * scale
            found[t - 1, k] = holds
    return found.mean(axis=0)


def test_joints_in_space_agree_with_fairmotion_loops():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.5, (24, 3)) + np.cumsum(rng.normal(0, 0.008, (40, 24, 3)), axis=0)
    poses = np.concatenate([points, np.ones((40, 24, 1))], axis=-1)
    found, expected = Geometric3D()(poses, 60.0), _by_hand(points)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert ((expected > 0.02) & (expected < 0.98)).sum() > 12  # most statements are true at times and false at others


def test_the_statements_are_fairmotions_in_its_order():
    assert len(ALL) == 32
    assert ALL[0] == ("nmove", ("neck", "rhip", "lhip", "rwrist"), (1.8,), "humerus")
    assert ALL[1] == ("nmove", ("neck", "lhip", "rhip", "lwrist"), (1.8,), "humerus")
    assert ALL[11] == ("move", ("lwrist", "root", "rwrist", "root"), (1.4,), "humerus")
    assert ALL[17] == ("nplane", ("zero", "y_unit", "y_min", "lankle"), (1.2,), "humerus")
    assert ALL[31] == ("fast", ("root",), (2.3,), "humerus")


def _index(kind, names):
    shown = [each for each in ALL if each.kind not in ("plane", "nmove")]
    return next(i for i, each in enumerate(shown) if (each.kind, each.joints) == (kind, tuple(names.split())))


def test_what_a_picture_shows_by_hand():
    """A standing person: no hand above the neck, knees straight; then hands up, a knee bent, a foot lifted."""
    poses = dancer(0, 20, swing=0.0)
    standing = GEOMETRIC_2D(poses, 30)
    up, bent, foot = (
        _index("nplane", "chest neck neck rwrist"), _index("angle", "rknee rhip rknee rankle"),
        _index("nplane", "zero y_unit y_min rankle"),
    )
    assert standing[[up, bent, foot]].tolist() == [0, 0, 0]
    poses[5:, 4, :2] = (-0.3, -0.9)  # y is down
    poses[10:, 10, :2] = (-0.3, 0.3)
    found = GEOMETRIC_2D(poses, 30)
    assert found[up] == 15 / 19 and found[bent] == 10 / 19 and found[foot] == 10 / 19
    fast = _index("fast", "rwrist")
    assert standing[fast] == 0 and found[fast] == 1 / 19  # the jump upwards


def test_hidden_joints_leave_frames_out_and_those_never_seen_are_not_defined():
    poses = dancer(3, 40)
    poses[:, 4, :2] = poses[:, 2, :2] + (-0.05, 0.05)  # the right hand at its shoulder: the elbow is bent
    seen, bent = GEOMETRIC_2D(poses, 30), _index("angle", "relbow rshoulder relbow rwrist")
    half = hidden(poses, 4, slice(0, 20))
    part = GEOMETRIC_2D(poses[19:], 30)
    assert np.isfinite(GEOMETRIC_2D(half, 30)).all() and GEOMETRIC_2D(half, 30)[bent] == part[bent] == 1
    never = GEOMETRIC_2D(hidden(poses, 4), 30)
    about = [i for i, each in enumerate(e for e in ALL if e.kind not in ("plane", "nmove")) if "rwrist" in each.joints]
    assert np.isnan(never[about]).all() and np.isfinite(np.delete(never, about)).all()
    np.testing.assert_array_equal(np.delete(never, about), np.delete(seen, about))
