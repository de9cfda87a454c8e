import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xdancer_jax.losses import change_norm, cross_entropy, pose_l1, pose_norm

PARTS = ((0, 2), (1,))


def _pair(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 3, 3, 3)).astype(np.float32), rng.uniform(size=(2, 3, 3, 3)).astype(np.float32)


def _reference(predicted, target, weighted):
    total = 0.0
    for part in PARTS:
        error = (predicted - target)[:, :, list(part)].copy()
        if weighted:
            error[..., :2] *= target[:, :, list(part), 2:]
        total += np.sqrt((error**2).sum(axis=(2, 3))).mean()
    return total


def test_pose_norm_is_a_sum_of_norms_not_of_squares():
    predicted, target = _pair()
    for weighted in (False, True):
        loss = pose_norm(jnp.asarray(predicted), jnp.asarray(target), PARTS, confidence_weighted=weighted)
        np.testing.assert_allclose(loss, _reference(predicted, target, weighted), rtol=1e-5)


def test_pose_norm_has_a_finite_gradient_at_a_perfect_pose():
    target = jnp.asarray(_pair()[1])
    gradient = jax.jit(jax.grad(lambda x: pose_norm(x, target, PARTS)))(target)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("order", [1, 2])
def test_change_norm_counts_joints_that_are_seen_all_along(order):
    predicted, target = _pair()
    error = np.diff((predicted - target)[..., :2], order, axis=1)
    seen = target[..., 2] > 0.3
    seen = np.stack([seen[:, i : i + error.shape[1]] for i in range(order + 1)]).all(axis=0)
    expected = (np.linalg.norm(error, axis=-1) * seen).sum(axis=-1).mean()
    assert 0 < seen.mean() < 1
    np.testing.assert_allclose(change_norm(jnp.asarray(predicted), jnp.asarray(target), order), expected, rtol=1e-5)


def test_change_norm_knows_no_place_and_has_a_finite_gradient():
    target = jnp.asarray(_pair()[1])
    assert change_norm(target + 0.5, target, 1) < 1e-4 and change_norm(target[:, :1], target[:, :1], 1) == 0
    assert np.isfinite(jax.jit(jax.grad(lambda x: change_norm(x, target, 1)))(target)).all()


def test_pose_l1_counts_visible_joints_and_leaves_confidence_out():
    predicted, target = (jnp.asarray(x) for x in _pair())
    visible = np.asarray(target[..., 2] > 0.5)
    expected = np.abs(np.asarray(predicted - target))[..., :2].mean(axis=-1)[visible].mean()
    np.testing.assert_allclose(pose_l1(predicted, target, visible_above=0.5), expected, rtol=1e-5)
    one = np.abs(np.asarray(predicted - target))[:, :, 1, :2].mean(axis=-1)[visible[:, :, 1]].mean()
    np.testing.assert_allclose(pose_l1(predicted, target, (1,), visible_above=0.5), one, rtol=1e-5)
    assert pose_l1(predicted, target, visible_above=2.0) == 0


def test_cross_entropy_of_known_probabilities():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    logits = jnp.asarray(np.log(probabilities) + 3.0, jnp.float32)
    loss = cross_entropy(logits, jnp.array([1, 2], jnp.int32))
    np.testing.assert_allclose(loss, [-np.log(0.25), -np.log(0.7)], rtol=1e-5)
