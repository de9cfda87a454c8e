"""Stage 1: the pose tokenizer with its loss (paper, section 3.2)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import numpy as np

from xdancer_jax.losses import pose_l1, pose_norm
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.stage import Stage
from xdancer_jax.typing import Array, Batch, Extra, Float, Int, Metrics, Params


def make(
    model: PoseTokenizer,
    part_names: Sequence[str],
    *,
    commitment_weight: float,
    confidence_weighted: bool,
    trainable: tuple[str, ...] = (".*",),
) -> Stage:
    """The stage. `extra` is {"codebook": ...}; batches are {"poses": (B, T, J, 3)}.

    loss = sum over parts of ||p_hat - p||_2 + commitment_weight * commitment (see losses.pose_norm, which also says
    what `confidence_weighted` does, and Quantizer). `part_names` name the metrics, in the order of `model.parts`.
    functions: "reconstruct" -> {"poses": (B, T, J, 3), "tokens": (B, T, S, K)}.
    """
    if len(part_names) != len(model.parts):
        raise ValueError(f"part_names: {len(part_names)} names for the {len(model.parts)} parts of the tokenizer")

    def init(rng: Array, batch: Batch) -> tuple[Params, Extra]:
        variables = model.init(rng, batch["poses"])
        return variables["params"], {"codebook": nn.unbox(variables["codebook"])}

    def loss(params: Params, extra: Extra, batch: Batch, rng: Array, train: bool):
        poses = batch["poses"]
        variables = {"params": params, "codebook": extra["codebook"]}
        if train:
            (predicted, _, aux), updated = model.apply(
                variables, poses, True, mutable=["codebook"], rngs={"codebook": rng}
            )
            extra = {**extra, **updated}
        else:
            predicted, _, aux = model.apply(variables, poses)
        pose = pose_norm(predicted, poses, model.parts, confidence_weighted=confidence_weighted)
        total = pose + commitment_weight * aux["commitment"]
        metrics = {"loss": total, "pose": pose, "commitment": aux["commitment"]}
        metrics |= _part_metrics(predicted, poses, aux)
        return total, (metrics, extra)

    def _part_metrics(predicted: Array, poses: Array, aux: Metrics) -> Metrics:
        metrics = {"pose_l1/full": pose_l1(predicted, poses)}
        for i, (name, part) in enumerate(zip(part_names, model.parts, strict=True)):
            metrics[f"pose_l1/{name}"] = pose_l1(predicted, poses, part)
            metrics[f"usage/{name}"] = aux["usage"][i]
            metrics[f"perplexity/{name}"] = aux["perplexity"][i]
        return metrics

    def reconstruct(params: Params, extra: Extra, batch: Batch, rng: Array) -> dict[str, Array]:
        del rng
        poses, tokens, _ = model.apply({"params": params, "codebook": extra["codebook"]}, batch["poses"])
        return {"poses": poses, "tokens": tokens}

    return Stage("tokenizer", init, loss, {"reconstruct": reconstruct}, trainable)


def encode(
    tokenizer: PoseTokenizer, frozen: Extra, poses: Float[Array, "B T J 3"], frames: int | None = None
) -> Int[Array, "B F S K"]:
    """Tokens of the middle `frames` poses (None: of all) by a frozen tokenizer {"params", "extra"}; no gradient."""
    variables = {"params": frozen["params"], **frozen["extra"]}
    tokens = jax.lax.stop_gradient(tokenizer.apply(variables, poses, method="encode"))
    frames = poses.shape[1] if frames is None else frames
    margin = (poses.shape[1] - frames) // 2
    return tokens[:, margin : margin + frames]


def decode(tokenizer: PoseTokenizer, frozen: Extra, tokens: Int[Array, "B T S K"]) -> Float[Array, "B T J 3"]:
    """Poses of tokens by a frozen tokenizer {"params", "extra"}."""
    return tokenizer.apply({"params": frozen["params"], **frozen["extra"]}, tokens, method="decode")


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


__all__ = ["check_tokens", "decode", "encode", "make"]
