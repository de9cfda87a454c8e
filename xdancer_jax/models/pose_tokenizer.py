"""Compositional, confidence-aware VQ-VAE over 2-D poses (paper, section 3.2): poses <-> tokens."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax import axes
from xdancer_jax.models.quantizer import Quantizer, Statistics
from xdancer_jax.nn.linear import conv, dense
from xdancer_jax.nn.remat import recomputed
from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Float, Int, typechecked


class ResidualConvs(nn.Module):
    """Convolution over time to `width` channels, then `depth` residual blocks; length kept, zeros beyond the ends."""

    width: int
    depth: int
    kernel: int
    dtype: str
    param_dtype: str

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B T C"]) -> Float[Array, "B T D"]:
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = conv(self.width, (self.kernel,), "conv_in", **options)(x)
        for i in range(self.depth):
            hidden = conv(self.width, (self.kernel,), f"block_{i}_conv_0", **options)(nn.gelu(x))
            x = x + conv(self.width, (1,), f"block_{i}_conv_1", zero=True, **options)(nn.gelu(hidden))
        return nn.gelu(x)


class PoseTokenizer(nn.Module):
    """One encoder and one codebook per part; all parts' codes go through one shared decoder, then one head per part.

    There is no temporal downsampling, so a single frame can be encoded, and T is free. Tokens of a frame depend on
    its neighbours within the convolutions' `reach` to either side; beyond the ends of the clip they see zeros.

    Fields:
      parts: joint indices of every part, in token order; each of the J joints in exactly one part. The single-part
        ablation is one part with all joints and the tokens of all parts.
      tokens_per_part K, codebook_size V, code_dim C: paper 6, 512, 6.
      encoder_width: channels of each part's encoder. decoder_width: channels of the shared decoder.
      depth: residual blocks in each. kernel: frames a convolution spans.
      decay, reset_below: see Quantizer.
      remat: what is kept of each stack of convolutions for the backward pass, a name of nn.remat.POLICIES.
      dtype, param_dtype: of the convolutions; the quantiser is float32 always.
    """

    parts: tuple[tuple[int, ...], ...]
    tokens_per_part: int
    codebook_size: int
    code_dim: int
    encoder_width: int
    decoder_width: int
    depth: int
    kernel: int
    decay: float
    reset_below: float
    remat: str = "none"
    dtype: str = "float32"
    param_dtype: str = "float32"

    def setup(self) -> None:
        if sorted(joint for part in self.parts for joint in part) != list(range(self.num_joints)):
            raise ValueError("PoseTokenizer.parts: every joint 0..J-1 must be in exactly one part")
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        reach = {"depth": self.depth, "kernel": self.kernel}
        convs = recomputed(ResidualConvs, self.remat)
        self.encoders = [
            convs(self.encoder_width, **reach, **options, name=f"encoder_{i}") for i in range(len(self.parts))
        ]
        self.projections = [
            dense(self.tokens_per_part * self.code_dim, (axes.CONV_IN, None), f"projection_{i}", **options)
            for i in range(len(self.parts))
        ]
        self.quantizer = Quantizer(
            len(self.parts), self.codebook_size, self.code_dim, self.decay, self.reset_below, name="quantizer"
        )
        self.decoder = convs(self.decoder_width, **reach, **options, name="decoder")
        self.heads = [
            dense(3 * len(part), (axes.CONV_IN, None), f"head_{i}", **options) for i, part in enumerate(self.parts)
        ]

    @property
    def num_joints(self) -> int:
        """J."""
        return sum(len(part) for part in self.parts)

    @property
    def reach(self) -> int:
        """Frames to either side that the tokens of a frame depend on."""
        return (self.depth + 1) * (self.kernel // 2)

    @typechecked
    def __call__(
        self, poses: Float[Array, "B T J 3"], chance: Chance | None = None
    ) -> tuple[Float[Array, "B T J 3"], Int[Array, "B T S K"], Float[Array, ""], Statistics]:
        """Reconstructed poses, tokens, commitment and statistics (see Quantizer.__call__); `chance` in training."""
        codes, *rest = self.quantizer(self._latents(poses), chance)
        return self._poses(codes), *rest

    def update(self, statistics: Statistics) -> None:
        """See Quantizer.update."""
        self.quantizer.update(statistics)

    @typechecked
    def encode(self, poses: Float[Array, "B T J 3"]) -> Int[Array, "B T S K"]:
        """Poses -> tokens, int32 in [0, V)."""
        return self.quantizer.nearest(self._latents(poses))

    @typechecked
    def decode(self, tokens: Int[Array, "B T S K"]) -> Float[Array, "B T J 3"]:
        """Tokens -> poses, float32; confidence in [0, 1]."""
        return self._poses(self.quantizer.lookup(tokens))

    @typechecked
    def lookup(self, tokens: Int[Array, "B T S K"]) -> Float[Array, "B T P C"]:
        """Tokens -> their codes, P = S*K of them a frame; each part's codebook standardised (mean 0, deviation 1).

        Codes are as small as the encoder made them; what reads them should not have to find that out first.
        """
        codes = self.quantizer.standardised(tokens)
        return codes.reshape(*codes.shape[:2], -1, self.code_dim)

    @typechecked
    def codes(self, poses: Float[Array, "B T J 3"]) -> Float[Array, "B T P C"]:
        """`lookup(encode(poses))` with a gradient to encoders and poses: straight through, see
        Quantizer.standardised_through. For training together with what reads the codes."""
        codes = self.quantizer.standardised_through(self._latents(poses))
        return codes.reshape(*codes.shape[:2], -1, self.code_dim)

    def _latents(self, poses: Array) -> Array:
        batch, frames = poses.shape[:2]
        latents = []
        for part, encoder, projection in zip(self.parts, self.encoders, self.projections, strict=True):
            hidden = encoder(poses[:, :, np.array(part)].reshape(batch, frames, -1))
            latents.append(projection(hidden).reshape(batch, frames, self.tokens_per_part, self.code_dim))
        return jnp.stack(latents, axis=2)

    def _poses(self, codes: Array) -> Array:
        batch, frames = codes.shape[:2]
        hidden = self.decoder(codes.reshape(batch, frames, -1))
        joints = [head(hidden).astype(jnp.float32).reshape(batch, frames, -1, 3) for head in self.heads]
        order = np.argsort(np.concatenate(self.parts))  # heads are in part order, poses in joint order
        poses = jnp.concatenate(joints, axis=2)[:, :, order]
        return jnp.concatenate([poses[..., :2], jax.nn.sigmoid(poses[..., 2:])], axis=-1)
