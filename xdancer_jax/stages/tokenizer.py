"""Stage 1: the pose tokenizer with its loss (paper, section 3.2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.losses import change_norm, pose_l1_sums, pose_norm
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.quantizer import usage_of
from xdancer_jax.rng import Chance
from xdancer_jax.stage import InitPart, Stage, Sums, variables
from xdancer_jax.typing import Array, Batch, Extra, Float, Int, Metrics, Params, PyTree


def make(
    model: PoseTokenizer, part_names: Sequence[str], *, commitment_weight: float, confidence_weighted: bool,
    velocity_weight: float, acceleration_weight: float,
) -> Stage:
    """The stage; its one part is "tokenizer". Batches are {"poses": (B, T, J, 3)}.

    loss = sum over parts of ||p_hat - p||_2 + commitment_weight * commitment (see losses.pose_norm, which also says
    what `confidence_weighted` does, and Quantizer) + velocity_weight * velocity + acceleration_weight * acceleration
    (losses.change_norm; none in the paper). `part_names` name the metrics, in the order of `model.parts`.
    functions: "reconstruct" -> {"poses": (B, T, J, 3), "tokens": (B, T, S, K)}.
    """
    if len(part_names) != len(model.parts):
        raise ValueError(f"part_names: {len(part_names)} names for the {len(model.parts)} parts of the tokenizer")

    changes = {"velocity": velocity_weight, "acceleration": acceleration_weight}
    groups = {"full": None, **dict(zip(part_names, model.parts, strict=True))}

    def loss(params: Params, extra: Extra, batch: Batch, chance: Chance, train: bool):
        poses, own = batch["poses"], variables(params, extra, "tokenizer")
        predicted, _, commitment, statistics = model.apply(own, poses, chance if train else None)
        pose = pose_norm(predicted, poses, model.parts, confidence_weighted=confidence_weighted)
        total, metrics = pose + commitment_weight * commitment, {"pose": pose, "commitment": commitment}
        for order, (name, weight) in enumerate(changes.items(), 1):
            if weight:
                metrics[name] = change_norm(predicted, poses, order)
                total += weight * metrics[name]
        metrics["loss"] = total
        errors = {name: pose_l1_sums(predicted, poses, joints) for name, joints in groups.items()}
        return total, (metrics, {"codebook": statistics, "errors": errors})

    def finish(extra: Extra, sums: Sums, train: bool) -> tuple[Extra, Metrics]:
        metrics = {f"pose_l1/{name}": total / jnp.maximum(n, 1.0) for name, (total, n) in sums["errors"].items()}
        for figure, values in usage_of(sums["codebook"]["counts"]).items():
            metrics |= {f"{figure}/{name}": values[i] for i, name in enumerate(part_names)}
        if train:
            own = {"codebook": extra["tokenizer"]["codebook"]}
            _, updated = model.apply(own, sums["codebook"], method="update", mutable=["codebook"])
            extra = {**extra, "tokenizer": updated}
        return extra, metrics

    def reconstruct(params: Params, extra: Extra, batch: Batch, rng: Array) -> dict[str, Array]:
        del rng
        poses, tokens, *_ = model.apply(variables(params, extra, "tokenizer"), batch["poses"])
        return {"poses": poses, "tokens": tokens}

    return Stage("tokenizer", {"tokenizer": init(model)}, loss, finish, {"reconstruct": reconstruct})


def init(model: PoseTokenizer) -> InitPart:
    """The tokenizer as a part, of this stage or of a later one; its collection is "codebook"."""

    def init_part(rng: Array, batch: Batch, before: Mapping[str, Any]) -> tuple[Params, Extra]:
        del batch, before
        made = model.init(rng, jnp.zeros((1, 1, model.num_joints, 3)))
        return made["params"], {"codebook": nn.unbox(made["codebook"])}

    return init_part


def encode(
    tokenizer: PoseTokenizer, weights: PyTree, poses: Float[Array, "B T J 3"], frames: int | None = None
) -> Int[Array, "B F S K"]:
    """Tokens of the middle `frames` poses (None: of all); no gradient. weights: {"params", "codebook"}, as of all
    functions here."""
    tokens = jax.lax.stop_gradient(tokenizer.apply(weights, poses, method="encode"))
    return middle(tokens, poses.shape[1] if frames is None else frames)


def middle(values: Array, frames: int) -> Array:
    """The middle `frames` of the second dimension: what is beside them is there for the tokenizer to look at."""
    margin = (values.shape[1] - frames) // 2
    return values[:, margin : margin + frames]


def decode(tokenizer: PoseTokenizer, weights: PyTree, tokens: Int[Array, "B T S K"]) -> Float[Array, "B T J 3"]:
    """Poses of tokens."""
    return tokenizer.apply(weights, tokens, method="decode")


def check_tokens(tokens: np.ndarray, parts: int, tokens_per_part: int, codebook_size: int) -> None:
    """Holds tokens that come from a file, (..., parts, tokens_per_part), against what a tokenizer can give.

    Lookups clamp an index that is out of range, so that nothing else would tell.

    Raises:
      ValueError: no integers, another shape, or a value outside [0, codebook_size): the first and its place.
    """
    if not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens: {tokens.dtype} values, expected integers")
    if tokens.ndim < 2 or tokens.shape[-2:] != (parts, tokens_per_part):
        raise ValueError(f"tokens: shape {tokens.shape}, expected (..., {parts}, {tokens_per_part})")
    bad = np.argwhere((tokens < 0) | (tokens >= codebook_size))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(
            f"tokens[{', '.join(map(str, place))}] is {tokens[place]}, outside [0, {codebook_size}); {len(bad)} of "
            f"{tokens.size} are; these are not this tokenizer's tokens"
        )


__all__ = ["check_tokens", "decode", "encode", "init", "make", "middle"]
