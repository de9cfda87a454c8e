"""Stage 2: music to pose tokens over a tokenizer (paper, section 3.3)."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from xdancer_jax.losses import cross_entropy
from xdancer_jax.models.music_gpt import SLOT_SCALE, MusicGPT
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.quantizer import standardise
from xdancer_jax.rng import Chance
from xdancer_jax.stage import Stage, variables
from xdancer_jax.stages import tokenizer as tokenizer_stage
from xdancer_jax.stages.tokenizer import encode
from xdancer_jax.typing import Array, Batch, Extra, Metrics, Params


def make(model: MusicGPT, tokenizer: PoseTokenizer) -> Stage:
    """The stage, of parts "tokenizer" and "gpt". Batches are the loader's "motion" batches: P frames of the segment
    before, then T frames; "tokens" (B, P+T, S, K), computed beforehand, may stand for the poses.

    Their poses have a margin of A frames more on either side, best the tokenizer's `reach`: the window is tokenized as
    one, and the P + T frames of the music are kept. Context tokens are those at "context_index", targets the last T.
    Dances are made by stages.motion_sampling. Raises ValueError where model and tokenizer do not fit together.
    """
    _check(model, tokenizer)

    def init_gpt(rng: Array, batch: Batch, before: Mapping[str, Any]) -> tuple[Params, Extra]:
        tokens = jnp.zeros((*batch["music"].shape[:2], model.num_parts, model.tokens_per_part), jnp.int32)
        init_key, table_key = jax.random.split(rng)
        params = model.init(init_key, **_split(model, tokens, batch))["params"]
        return _start_from_codes(params, before["extra"]["tokenizer"]["codebook"], table_key), {}

    def loss(params: Params, extra: Extra, batch: Batch, chance: Chance, train: bool):
        if "tokens" in batch:
            tokens = batch["tokens"].astype(jnp.int32)
        else:
            tokens = encode(tokenizer, variables(params, extra, "tokenizer"), batch["poses"], batch["music"].shape[1])
        inputs = _split(model, tokens, batch)
        drawn = {"chance": chance, "rngs": {"dropout": chance.key}} if train else {}
        logits = model.apply({"params": params["gpt"]}, **inputs, **drawn)
        nats = cross_entropy(logits, inputs["tokens"])
        hits = (jnp.argmax(logits, axis=-1) == inputs["tokens"]).astype(jnp.float32)
        metrics: Metrics = {"loss": jnp.mean(nats), "accuracy": jnp.mean(hits)}
        return metrics["loss"], (metrics, {})

    return Stage("motion", {"tokenizer": tokenizer_stage.init(tokenizer), "gpt": init_gpt}, loss)


def _start_from_codes(params: Params, codebook: Extra, key: Array) -> Params:
    """Boxed `params` whose token table and heads start as one random projection of the codes, so that tokens of like
    poses start alike, and heads start tied to the table, as GPT-2's are. The table keeps its scale."""
    codes = standardise(codebook["quantizer"]["embedding"])  # (S, V, C)
    table, heads = params["token_table"], params["heads"]
    projection = jax.random.normal(key, (codes.shape[0], codes.shape[2], table.value.shape[1])) / codes.shape[2] ** 0.5
    values = SLOT_SCALE * jnp.einsum("svc,scd->svd", codes, projection)
    return params | {
        "token_table": table.replace_boxed(values.reshape(table.value.shape).astype(table.value.dtype)),
        "heads": heads.replace_boxed(jnp.swapaxes(values, 1, 2).astype(heads.value.dtype)),
    }


def _check(model: MusicGPT, tokenizer: PoseTokenizer) -> None:
    ours = (model.num_parts, model.tokens_per_part, model.codebook_size)
    theirs = (len(tokenizer.parts), tokenizer.tokens_per_part, tokenizer.codebook_size)
    if ours != theirs:
        raise ValueError(
            f"motion model has (num_parts, tokens_per_part, codebook_size) = {ours}, its tokenizer {theirs}; "
            "set the fields of the motion config to those of the tokenizer"
        )


def _split(model: MusicGPT, tokens: Array, batch: Batch) -> dict[str, Array]:
    """Arguments of MusicGPT.__call__ from the tokens of a whole window."""
    index = batch["context_index"]
    return {
        "tokens": tokens[:, tokens.shape[1] - model.segment_frames :],
        "context": jnp.take_along_axis(tokens, index[:, :, None, None], axis=1),
        "context_index": index,
        "music": batch["music"],
        "song": batch["song"],
    }


__all__ = ["make"]
