"""Clip by clip gives what all clips at once give."""

import numpy as np
import pytest

from xdancer_jax.evals.codebook import CodebookUse
from xdancer_jax.evals.pose_error import mean_pose, pose_error_report, pose_l1_half_height
from xdancer_jax.evals.reconstruction import MeanPose, Reconstruction
from xdancer_jax.evals.second_pass import Pass, SecondPass

PARTS = {"left": (0, 1), "right": (2, 3, 4), "unseen": (5,)}


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    found = []
    for frames in (5, 9, 3):
        target, *made = (rng.uniform(-1, 1, (frames, 6, 3)).astype(np.float32) for _ in range(3))
        target[..., 2] = rng.uniform(0, 1, (frames, 6))
        target[:, 5, 2] = 0
        tokens = [rng.integers(0, 8, (frames, 2, 3), np.int32) for _ in range(2)]
        found.append((target, Pass(tokens[0], made[0]), Pass(tokens[1], made[1])))
    return found


@pytest.mark.parametrize("count", [1, 3])
def test_clip_by_clip_is_all_at_once(clips, count):
    clips = clips[:count]
    truth = np.concatenate([target for target, *_ in clips])
    first, second = (
        Pass(*(np.concatenate(column) for column in zip(*(clip[i] for clip in clips), strict=True))) for i in (1, 2)
    )
    mean = MeanPose(6)
    stream = Reconstruction(mean_pose(truth), 8, ["a", "b"], PARTS)
    for target, one, two in clips:
        mean.add(target)
        stream.add(target, one, two)
    np.testing.assert_allclose(mean.pose(), mean_pose(truth), atol=1e-7)
    wanted = [
        pose_error_report(pose_l1_half_height(), first.poses, truth, PARTS, mean_pose(truth),
                          [len(target) for target, *_ in clips]),
        CodebookUse(8)(first.tokens, ["a", "b"]), SecondPass()(truth, first, second, ["a", "b"], PARTS),
    ]
    for ours, theirs in zip(stream.results(), wanted, strict=True):
        assert (ours.protocol, ours.constants, ours.counts) == (theirs.protocol, theirs.constants, theirs.counts)
        assert ours.values.keys() == theirs.values.keys()
        for name, value in theirs.values.items():
            np.testing.assert_allclose(ours.values[name], value, rtol=1e-6, err_msg=name)


def test_nothing_and_what_does_not_fit_end_in_a_line(clips):
    stream = Reconstruction(np.zeros((6, 3), np.float32), 8, ["a", "b"], PARTS)
    with pytest.raises(ValueError, match="no clips"):
        stream.results()
    with pytest.raises(ValueError, match="no poses"):
        MeanPose(6).pose()
    target, first, second = clips[0]
    with pytest.raises(ValueError, match=r"became"):
        stream.add(target[:2], first, second)
    with pytest.raises(ValueError, match="tokens"):
        stream.add(target, Pass(first.tokens + 8, first.poses), second)
