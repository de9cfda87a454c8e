"""Motion metrics on real motion: AIST++ slices in space, motion capture, a signing person without legs."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from data_pipeline.pose_files import load_poses
from tests.unit.evals.test_beat_alignment import _bailando_by_hand, _mint_by_hand
from tests.unit.evals.test_geometric import _by_hand as geometric_by_hand
from tests.unit.evals.test_kinetic import by_hand as kinetic_by_hand
from xdancer_jax.evals.beat_alignment import BAS_BAILANDO_60FPS, BAS_MINT_60FPS
from xdancer_jax.evals.geometric import Geometric3D
from xdancer_jax.evals.kinetic import KINETIC_2D_BODY, Kinetic3D, KineticFeatures
from xdancer_jax.evals.motion_distance import MotionDistance
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.normalisation import PUBLISHED

FOLDER = Path(os.environ.get("XDANCER_SAMPLE_DATA", "nowhere"), "poses")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="XDANCER_SAMPLE_DATA names no folder with poses")


def _slices():
    """(150, 24, 4) of each AIST++ slice, metres, turned from z up to y up, all seen."""
    found = []
    for path in sorted(FOLDER.glob("aistpp/*.csv")):
        places = np.genfromtxt(path, delimiter=",")
        places = places[np.isfinite(places).all(axis=1)].reshape(-1, 24, 3)[..., [0, 2, 1]] * (1, 1, -1)
        found.append(np.concatenate([places, np.ones((*places.shape[:2], 1))], axis=-1))
    return found


def test_beats_of_dances_in_space():
    beats = np.arange(9, 140, 19)
    for poses in _slices():
        for protocol, by_hand in ((BAS_BAILANDO_60FPS, _bailando_by_hand), (BAS_MINT_60FPS, _mint_by_hand)):
            found = protocol(poses, beats, 60.0)
            np.testing.assert_allclose(found.score, _in_space(by_hand, poses, beats), rtol=1e-5)
            assert found.motion_beats > 1


def _in_space(by_hand, poses, beats):
    """The loops measure two coordinates: the length of each joint's way, which is what beats are of, is put in x."""
    ways = np.linalg.norm(np.diff(poses[..., :3], axis=0), axis=-1).cumsum(axis=0)
    line = np.zeros((*poses.shape[:2], 3))
    line[1:, :, 0] = ways
    return by_hand(line, beats)


def test_features_of_dances_in_space():
    for poses in _slices():
        places = poses[..., :3]
        moved = places - places[0, 0]
        wanted = np.concatenate([kinetic_by_hand(moved[:, j], 1 / 60, True, 2, (0, 2)) for j in (0, 7, 20)])
        found = Kinetic3D()(poses, 30.0).reshape(24, 3)[[0, 7, 20]].reshape(-1)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
        np.testing.assert_allclose(Geometric3D()(poses, 30.0), geometric_by_hand(places), atol=1e-6)


def test_diversity_and_distance_of_projected_dances():
    """Pieces of half a second of each slice, the first two dances beside the last two."""
    clips = [load_poses(path, 896, 512, 30).poses for path in sorted(FOLDER.glob("aistpp/*.csv"))]
    pieces = [[clip[i : i + 15] for clip in pair for i in range(0, 150, 15)] for pair in (clips[:2], clips[2:])]
    features = KineticFeatures("kinetic_of_limbs", (4, 7, 10))
    ours, real = (MotionSet(each, 30.0) for each in pieces)
    diversity, distance = MotionDistance(features, PUBLISHED, samples=0).report(ours, real)
    a, b = (np.stack([features(poses, 30.0) for poses in each]) for each in pieces)
    a, b = ((x - b.mean(axis=0)) / (b.std(axis=0) + 1e-10) for x in (a, b))
    np.testing.assert_allclose(
        diversity.values["diversity"], np.mean([np.linalg.norm(x - y) for i, x in enumerate(a) for y in a[:i]]),
        rtol=1e-5,
    )
    cov, apart = [np.cov(x, rowvar=False) for x in (a, b)], a.mean(axis=0) - b.mean(axis=0)
    root = np.trace(sqrtm(cov[0] @ cov[1])).real
    np.testing.assert_allclose(
        distance.values["distance"], apart @ apart + np.trace(cov[0] + cov[1]) - 2 * root, rtol=1e-5
    )


def test_motion_capture_moves_and_who_has_no_legs_is_named():
    names = ("bvh/cmu1_jumping_jacks.bvh", "wholebody133_soup.json")
    clips = [load_poses(FOLDER / name, 896, 512, 30).poses for name in names]
    diversity, _ = MotionDistance(KINETIC_2D_BODY).report(MotionSet(clips, 30.0, names), MotionSet(clips, 30.0, names))
    assert diversity.counts["motions"] == 1 and diversity.counts["left_out"] == 1
    assert any("1 of 2 motions left out" in note and "wholebody133_soup.json" in note for note in diversity.notes)
    assert np.isnan(diversity.values["diversity"])
