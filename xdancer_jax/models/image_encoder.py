"""CLIP's image tower with its projection: one token per reference image for the U-Net's cross-attention.

Parameter paths are those of transformers' CLIPVisionModelWithProjection with "." before an index turned into "_".
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax import axes
from xdancer_jax.nn import linear, norm
from xdancer_jax.nn.attention import attention
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.typing import Array, Float, UInt8, typechecked

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)


FRAMINGS = ("pad", "crop", "squash")


@typechecked
def preprocess(
    images: UInt8[Array, "B _ _ 3"] | Float[Array, "B _ _ 3"], image_size: int = 224, framing: str = "pad"
) -> Float[Array, "B {image_size} {image_size} 3"]:
    """Images, uint8 or float in [0, 1] -> CLIP-normalised pixels, resized by an antialiased bicubic filter.

    framing: "pad", the longer side is resized to `image_size` and the rest is CLIP's mean colour; "crop", the shorter
    side is, and the middle cut out: CLIP's own preprocessing (transformers' CLIPImageProcessor), which cuts head and
    feet off a standing dancer; "squash", both sides are, as in Moore-AnimateAnyone's inference. Weights that were
    trained with one of them want that one.

    Raises:
      ValueError: another framing.
    """
    if framing not in FRAMINGS:
        raise ValueError(f"image_encoder.framing={framing!r}: choose one of {FRAMINGS}")
    x = images.astype(jnp.float32) / (255.0 if images.dtype == jnp.uint8 else 1.0)
    height, width = _framed(x.shape[1:3], image_size, framing)
    x = jax.image.resize(x, (x.shape[0], height, width, 3), "bicubic", antialias=True)
    x = (jnp.clip(x, 0.0, 1.0) - jnp.asarray(PIXEL_MEAN)) / jnp.asarray(PIXEL_STD)
    if framing == "crop":
        top, left = (height - image_size) // 2, (width - image_size) // 2
        return x[:, top : top + image_size, left : left + image_size]
    top, left = (image_size - height) // 2, (image_size - width) // 2
    return jnp.pad(x, ((0, 0), (top, image_size - height - top), (left, image_size - width - left), (0, 0)))


def _framed(size: tuple[int, int], image_size: int, framing: str) -> tuple[int, int]:
    """(height, width) to resize to."""
    if framing == "squash":
        return image_size, image_size
    if framing == "crop":  # cut down to whole pixels, as transformers does
        height, width = (image_size * side // min(size) for side in size)
    else:
        height, width = (max(1, round(side * image_size / max(size))) for side in size)
    return height, width


class SelfAttention(nn.Module):
    """Multi-head self-attention with biases."""

    heads: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        width = x.shape[-1]
        query, key, value = (
            linear.dense(width, (axes.EMBED, axes.HEADS), name, **types)(x).reshape(*x.shape[:2], self.heads, -1)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        return linear.dense(width, (axes.HEADS, axes.EMBED), "out_proj", **types)(
            attention(query, key, value).reshape(x.shape)
        )


class Mlp(nn.Module):
    """Two layers with x sigmoid(1.702 x) between them."""

    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        h = linear.dense(4 * x.shape[-1], (axes.EMBED, axes.MLP), "fc1", **types)(x)
        return linear.dense(x.shape[-1], (axes.MLP, axes.EMBED), "fc2", **types)(h * jax.nn.sigmoid(1.702 * h))


class EncoderLayer(nn.Module):
    """Pre-norm transformer layer."""

    heads: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = x + SelfAttention(self.heads, name="self_attn", **types)(norm.layer_norm("layer_norm1", **types)(x))
        x = keep_batch_split(x)
        return keep_batch_split(x + Mlp(name="mlp", **types)(norm.layer_norm("layer_norm2", **types)(x)))


class Encoder(nn.Module):
    """`depth` layers."""

    depth: int
    heads: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        for i in range(self.depth):
            x = EncoderLayer(self.heads, self.dtype, self.param_dtype, name=f"layers_{i}")(x)
        return x


class Embeddings(nn.Module):
    """Class token and patches, plus learned positions."""

    patch_size: int
    width: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, pixels: Float[Array, "B H W 3"]) -> Float[Array, "B L D"]:
        x = nn.Conv(
            self.width, (self.patch_size, self.patch_size), strides=self.patch_size, padding="VALID", use_bias=False,
            name="patch_embedding", dtype=self.dtype, param_dtype=self.param_dtype,
            kernel_init=nn.with_logical_partitioning(
                nn.initializers.lecun_normal(), (None, None, axes.CONV_IN, axes.CONV_OUT)
            ),
        )(pixels)
        x = keep_batch_split(x.reshape(x.shape[0], -1, self.width))
        init = nn.initializers.normal(0.02)
        token = self.param("class_embedding", nn.with_logical_partitioning(init, (axes.EMBED,)), (self.width,),
                           jnp.dtype(self.param_dtype))
        token = jnp.broadcast_to(token.astype(x.dtype), (x.shape[0], 1, self.width))
        x = jnp.concatenate([token, x], axis=1)
        positions = nn.Embed(
            x.shape[1], self.width, name="position_embedding", dtype=self.dtype, param_dtype=self.param_dtype,
            embedding_init=nn.with_logical_partitioning(init, (None, axes.EMBED)),
        )
        return keep_batch_split(x + positions(jnp.arange(x.shape[1])))


class VisionTransformer(nn.Module):
    """Pixels -> the normalised class token (B, D). The misspelt name below is the checkpoints'."""

    patch_size: int
    width: int
    depth: int
    heads: int
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, pixels: Float[Array, "B H W 3"]) -> Float[Array, "B D"]:
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = Embeddings(self.patch_size, self.width, name="embeddings", **types)(pixels)
        x = norm.layer_norm("pre_layrnorm", **types)(x)
        x = Encoder(self.depth, self.heads, name="encoder", **types)(x)
        return norm.layer_norm("post_layernorm", **types)(x[:, 0])


class ImageEncoder(nn.Module):
    """CLIP ViT-L/14 by default; see `preprocess` for its input, which `framing` belongs to."""

    image_size: int = 224
    patch_size: int = 14
    width: int = 1024
    depth: int = 24
    heads: int = 16
    projection_dim: int = 768
    framing: str = "pad"
    dtype: str = "float32"
    param_dtype: str = "float32"

    @nn.compact
    @typechecked
    def __call__(self, pixels: Float[Array, "B H W 3"]) -> Float[Array, "B 1 P"]:
        """CLIP-normalised pixels -> image embedding as a sequence of one token, float32.

        Raises:
          ValueError: the pixels are not image_size square.
        """
        if pixels.shape[1:3] != (self.image_size, self.image_size):
            raise ValueError(f"pixels are {pixels.shape[1]} x {pixels.shape[2]}, image_size is {self.image_size}; "
                             "use preprocess(images, image_size)")
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = VisionTransformer(
            self.patch_size, self.width, self.depth, self.heads, name="vision_model", **types
        )(pixels)
        x = linear.dense(self.projection_dim, (axes.EMBED, axes.HEADS), "visual_projection", use_bias=False, **types)(x)
        return x[:, None].astype(jnp.float32)


__all__ = ["ImageEncoder", "preprocess"]
