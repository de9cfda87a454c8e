"""Vector quantiser with one codebook per body part, updated by exponential moving average (paper, section 3.2)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax.rng import Chance, stream
from xdancer_jax.typing import Array, Float, Int, Metrics, typechecked

Statistics = dict[str, Array]
_TINY = 1e-6  # added to a codebook's deviation: a codebook of equal codes is not divided by zero


@typechecked
def standardise(embedding: Float[Array, "S V C"]) -> Float[Array, "S V C"]:
    """Codes less the mean of their part's codebook and over its deviation, dimension by dimension."""
    return (embedding - embedding.mean(1, keepdims=True)) / (embedding.std(1, keepdims=True) + _TINY)


def usage_of(counts: Float[Array, "S V"]) -> Metrics:
    """{"usage" (S,), the share of a codebook that is used, "perplexity" (S,), exp of the entropy of its use}."""
    share = counts / jnp.sum(counts, axis=-1, keepdims=True)
    entropy = -jnp.sum(share * jnp.log(jnp.maximum(share, 1e-10)), axis=-1)
    return {"usage": jnp.mean(counts > 0, axis=-1), "perplexity": jnp.exp(entropy)}


class Quantizer(nn.Module):
    """Nearest code of the part's own codebook for every latent; everything in float32.

    State, in the mutable collection "codebook": `embedding` (S, V, C) the codes, `counts` (S, V) and `sums` (S, V, C)
    the moving averages of how many latents fell to each code and of their sum. `statistics` are plain sums over the
    batch: over its parts they are added, and under jit with a sharded batch the compiler adds them up over the mesh.
    `update` moves the state by those of a whole batch.

    Dead codes: a code whose averaged count sinks below `reset_below` times the even share (latents of the part / V)
    is set to a random latent of the batch, with the even share as its count. Counts start at zero, so after the first
    training batch every code is such a latent or a mean of latents: that is the data-dependent initialisation.

    Fields: parts S, codebook_size V, code_dim C, decay of the moving averages, reset_below in [0, 1).
    """

    parts: int
    codebook_size: int
    code_dim: int
    decay: float
    reset_below: float

    def setup(self) -> None:
        shape = (self.parts, self.codebook_size)
        self.embedding = self.variable("codebook", "embedding", self._random_codes)
        self.counts = self.variable("codebook", "counts", jnp.zeros, shape, jnp.float32)
        self.sums = self.variable("codebook", "sums", jnp.zeros, (*shape, self.code_dim), jnp.float32)

    def _random_codes(self) -> Array:
        shape = (self.parts, self.codebook_size, self.code_dim)
        return jax.random.normal(self.make_rng("params"), shape, jnp.float32)

    @typechecked
    def __call__(
        self, latents: Float[Array, "B T S K C"], chance: Chance | None = None
    ) -> tuple[Float[Array, "B T S K C"], Int[Array, "B T S K"], Float[Array, ""], Statistics]:
        """Straight-through codes, tokens, the commitment and the statistics of these latents, see `statistics`.

        commitment: squared distance of latents to their codes, summed over S, K and C, averaged over B and T.
        """
        latents = latents.astype(jnp.float32)
        tokens = self.nearest(latents)
        codes = self.lookup(tokens)
        batch, frames = latents.shape[:2]
        commitment = jnp.sum(jnp.square(latents - jax.lax.stop_gradient(codes))) / (batch * frames)
        found = self.statistics(jax.lax.stop_gradient(latents), tokens, chance)
        return latents + jax.lax.stop_gradient(codes - latents), tokens, commitment, found

    def statistics(self, latents: Array, tokens: Array, chance: Chance | None) -> Statistics:
        """Sums over these latents: {"counts": (S, V) of tokens} and, in training, with `chance`, {"sums": (S, V, C) of
        each code's latents, "fresh": (S, V, C), a latent drawn from the whole batch for each code, zero where it lies
        in another part of the batch, "latents": () of a part of the body}."""
        one_hot = jax.nn.one_hot(tokens, self.codebook_size, dtype=jnp.float32)
        counts = jnp.sum(one_hot, axis=(0, 1, 3))
        if chance is None:
            return {"counts": counts}
        sums = jnp.einsum("btskv,btskc->svc", one_hot, latents, precision="highest")
        batch, frames, parts, tokens_per_part, _ = latents.shape
        items = frames * tokens_per_part  # of an example
        candidates = jnp.moveaxis(latents, 2, 0).reshape(parts, batch * items, self.code_dim)
        key = stream(chance.key, "codebook")
        chosen = jax.random.randint(key, (parts, self.codebook_size), 0, chance.total * items)
        here = chosen[..., None] // items == chance.rows
        place = jnp.argmax(here, axis=-1) * items + chosen % items
        fresh = jnp.take_along_axis(candidates, place[..., None], axis=1) * jnp.any(here, axis=-1)[..., None]
        return {"counts": counts, "sums": sums, "fresh": fresh, "latents": jnp.float32(batch * items)}

    @typechecked
    def nearest(self, latents: Float[Array, "B T S K C"]) -> Int[Array, "B T S K"]:
        """Index of the nearest code. |z|^2 is left out of the squared distance: it is the same for every code."""
        embedding = self.embedding.value
        dots = jnp.einsum("btskc,svc->btskv", latents.astype(jnp.float32), embedding, precision="highest")
        squares = jnp.sum(jnp.square(embedding), axis=-1)
        return jnp.argmin(squares[:, None] - 2.0 * dots, axis=-1).astype(jnp.int32)

    @typechecked
    def lookup(self, tokens: Int[Array, "B T S K"]) -> Float[Array, "B T S K C"]:
        """Codes of tokens."""
        part = jnp.arange(self.parts)[:, None]
        return jnp.asarray(self.embedding.value)[part, tokens]

    @typechecked
    def standardised(self, tokens: Int[Array, "B T S K"]) -> Float[Array, "B T S K C"]:
        """Codes of tokens, see `standardise`."""
        return standardise(jnp.asarray(self.embedding.value))[jnp.arange(self.parts)[:, None], tokens]

    @typechecked
    def standardised_through(self, latents: Float[Array, "B T S K C"]) -> Float[Array, "B T S K C"]:
        """standardised(nearest(latents)), whose gradient reaches `latents` straight through the choice of a code.

        Scaled as the codes are: a latent that moves by its codebook's deviation moves the result by 1.
        """
        latents = latents.astype(jnp.float32)
        codes = self.standardised(self.nearest(latents))
        scaled = latents / (self.embedding.value.std(1)[:, None] + _TINY)
        return jax.lax.stop_gradient(codes) + (scaled - jax.lax.stop_gradient(scaled))  # the codes to the last bit

    def update(self, statistics: Statistics) -> None:
        """Moves the state by the `statistics` of a whole batch; the collection "codebook" must be mutable."""
        counts = self.decay * self.counts.value + (1.0 - self.decay) * statistics["counts"]
        sums = self.decay * self.sums.value + (1.0 - self.decay) * statistics["sums"]
        even_share = statistics["latents"] / self.codebook_size
        dead = counts <= self.reset_below * even_share
        self.counts.value = jnp.where(dead, even_share, counts)
        self.sums.value = jnp.where(dead[..., None], statistics["fresh"] * even_share, sums)
        self.embedding.value = self.sums.value / self.counts.value[..., None]
