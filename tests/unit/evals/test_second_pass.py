import numpy as np
import pytest

from xdancer_jax.evals.second_pass import Pass, SecondPass

PARTS = {"upper": (0, 2), "lower": (1,)}


def _poses(x, confidence=(1.0, 1.0, 1.0)):
    """One pose whose joints lie at (x, x)."""
    return np.array([[[a, a, c] for a, c in zip(x, confidence, strict=True)]], np.float32)


def test_kept_tokens_are_counted_by_part():
    first = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    second = np.array([[[1, 2], [3, 0]], [[5, 0], [0, 0]]])
    poses = np.zeros((2, 3, 3), np.float32)
    values = SecondPass()(poses, Pass(first, poses), Pass(second, poses), ("upper", "lower"), PARTS).values
    assert values["upper/kept"] == 0.75 and values["lower/kept"] == 0.25


def test_drift_is_between_the_reconstructions_and_error_to_the_truth():
    tokens = np.zeros((1, 1, 1), int)
    first, second = Pass(tokens, _poses((1, 2, 4))), Pass(tokens, _poses((1.5, 2, 4.1)))
    result = SecondPass()(_poses((0, 2, 2)), first, second, ("body",), PARTS)
    assert (result.protocol, result.constants) == ("second_pass_half_height", {"min_confidence": 0.3})
    assert result.values["upper/drift"] == pytest.approx(0.3)
    assert result.values["upper/error"] == pytest.approx(1.5)
    assert result.values["upper/drift_ratio"] == pytest.approx(0.2)
    assert result.values["lower/drift"] == 0 and np.isnan(result.values["lower/drift_ratio"])
    assert result.counts == {"poses": 1, "tokens": 1}


def test_both_distances_are_over_the_joints_seen_in_the_truth():
    tokens = np.zeros((1, 1, 1), int)
    unsure = (0.0, 0.0, 0.0)  # what the reconstructions say of themselves plays no part
    first, second = Pass(tokens, _poses((1, 2, 4), unsure)), Pass(tokens, _poses((1.5, 2, 4), unsure))
    values = SecondPass()(_poses((0, 2, 2), (1, 1, 0)), first, second, ("body",), PARTS).values
    assert values["upper/drift"] == pytest.approx(0.5) and values["upper/error"] == pytest.approx(1.0)


def test_passes_and_names_that_do_not_belong_together_are_refused():
    poses, tokens = np.zeros((2, 3, 3), np.float32), np.zeros((2, 2, 1), int)
    with pytest.raises(ValueError, match="1 part names for 2 parts"):
        SecondPass()(poses, Pass(tokens, poses), Pass(tokens, poses), ("body",), PARTS)
    with pytest.raises(ValueError, match=r"tokens \(2, 2, 1\) became \(1, 2, 1\)"):
        SecondPass()(poses, Pass(tokens, poses), Pass(tokens[:1], poses), ("a", "b"), PARTS)
