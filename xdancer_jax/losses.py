"""Losses and distances over poses and logits. Nothing here knows a model; everything is in float32."""

from collections.abc import Sequence

import jax.numpy as jnp
import optax

from xdancer_jax.typing import Array, Float, Int, typechecked

_SMALLEST = 1e-12  # under the square root: its slope at zero is infinite


@typechecked
def pose_norm(
    predicted: Float[Array, "B T J 3"],
    target: Float[Array, "B T J 3"],
    parts: Sequence[Sequence[int]],
    *,
    confidence_weighted: bool = False,
) -> Float[Array, ""]:
    """sum_j ||p_hat_j - p_j||_2 over the parts j of a frame, averaged over B and T (paper, section 3.2).

    With `confidence_weighted`, errors of x and y are multiplied by the joint's confidence in `target`; the error of
    the confidence itself never is.
    """
    error = predicted.astype(jnp.float32) - target.astype(jnp.float32)
    if confidence_weighted:
        confidence = target[..., 2:].astype(jnp.float32)
        error = jnp.concatenate([error[..., :2] * confidence, error[..., 2:]], axis=-1)
    squares = jnp.sum(jnp.square(error), axis=-1)
    norms = [jnp.sqrt(jnp.sum(squares[..., jnp.array(part)], axis=-1) + _SMALLEST) for part in parts]
    return jnp.mean(sum(norms))


@typechecked
def change_norm(
    predicted: Float[Array, "B T J 3"], target: Float[Array, "B T J 3"], order: int, *, visible_above: float = 0.3
) -> Float[Array, ""]:
    """sum over joints of ||error of the `order`-th difference between frames||_2 in x and y, mean over B and frames.

    1: of velocities, 2: of accelerations (Bailando, which takes all joints and |.|); each joint counts for itself, so
    that those that hardly move learn to be still. Joints are left out in frames around which they are not visible
    (confidence in `target` above `visible_above`). In half frame heights a frame (squared). 0 for clips of at most
    `order` frames.
    """
    if target.shape[1] <= order:
        return jnp.zeros(())
    error = jnp.diff(predicted[..., :2].astype(jnp.float32) - target[..., :2].astype(jnp.float32), order, axis=1)
    seen = target[..., 2] > visible_above
    frames = error.shape[1]
    seen = jnp.all(jnp.stack([seen[:, i : i + frames] for i in range(order + 1)]), axis=0)
    norms = jnp.sqrt(jnp.sum(jnp.square(error), axis=-1) + _SMALLEST)
    return jnp.mean(jnp.sum(norms * seen, axis=-1))


@typechecked
def pose_l1(
    predicted: Float[Array, "B T J 3"],
    target: Float[Array, "B T J 3"],
    joints: Sequence[int] | None = None,
    *,
    visible_above: float = 0.3,
) -> Float[Array, ""]:
    """Mean |error| of x and y over the joints that are visible (confidence in `target` above `visible_above`).

    In half frame heights. `joints` limits it to some joints; 0 where none is visible.
    """
    total, visible = pose_l1_sums(predicted, target, joints, visible_above=visible_above)
    return total / jnp.maximum(visible, 1.0)


@typechecked
def pose_l1_sums(
    predicted: Float[Array, "B T J 3"],
    target: Float[Array, "B T J 3"],
    joints: Sequence[int] | None = None,
    *,
    visible_above: float = 0.3,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """(sum of the errors that `pose_l1` takes the mean of, their number): those of a batch's parts may be added."""
    error = jnp.abs(predicted[..., :2].astype(jnp.float32) - target[..., :2].astype(jnp.float32))
    visible = (target[..., 2] > visible_above).astype(jnp.float32)
    if joints is not None:
        error, visible = error[..., jnp.array(joints), :], visible[..., jnp.array(joints)]
    return jnp.sum(jnp.mean(error, axis=-1) * visible), jnp.sum(visible)


@typechecked
def cross_entropy(logits: Float[Array, "*shape V"], tokens: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
    """-log p(token) of every token, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), tokens)


__all__ = ["change_norm", "cross_entropy", "pose_l1", "pose_l1_sums", "pose_norm"]
