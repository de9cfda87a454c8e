"""Stage 0: the image autoencoder whose latents the video diffusion lives in.

The paper takes SD1.5's; training our own is for data sets and machines without those weights. Reconstruction + KL only:
no adversarial and no perceptual term (open), which need networks with weights of their own.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.rng import Chance
from xdancer_jax.stage import InitPart, Stage
from xdancer_jax.typing import Array, Batch, Extra, Float, Params, PyTree, UInt8, typechecked


def make(
    model: AutoencoderKL, *, reconstruction: str = "l1", kl_weight: float = 1e-6, stats_decay: float = 0.99
) -> Stage:
    """Stage over {"frames": (B, H, W, 3) uint8}; its one part is "autoencoder".

    extra["autoencoder"]["latents"] = {"mean": (C,), "std": (C,)} are running moments of the latents, channel by
    channel; the video stage diffuses (latents - mean) / std, in place of SD1.5's single constant 0.18215.

    Args:
      reconstruction: "l1" or "l2", averaged over pixels in [-1, 1].
      kl_weight: times the KL from N(0, 1), summed over latent cells and divided by the number of pixel values: Stable
        Diffusion sums both terms over a picture, so that its 1e-6 means the same here (latent-diffusion's
        LPIPSWithDiscriminator, without its last two terms).
      stats_decay: of the running moments, a training step.
    """
    if reconstruction not in ("l1", "l2"):
        raise ValueError(f"loss.reconstruction={reconstruction!r}: choose 'l1' or 'l2'")

    def loss(params, extra, batch, chance, train):
        images = to_signed(batch["frames"])
        output, mean, logvar = model.apply({"params": params["autoencoder"]}, images, chance)
        error = output.astype(jnp.float32) - images
        fit = jnp.abs(error).mean() if reconstruction == "l1" else jnp.square(error).mean()
        mean, logvar = mean.astype(jnp.float32), logvar.astype(jnp.float32)
        kl = 0.5 * (jnp.square(mean) + jnp.exp(logvar) - 1 - logvar).sum() / images.size
        total = fit + kl_weight * kl
        sums = jax.lax.stop_gradient({
            "cells": jnp.float32(mean.size / mean.shape[-1]), "pixels": jnp.float32(images.size),
            "square_error": jnp.square(error).sum(),
        } | _moments(mean, extra["autoencoder"]["latents"]["mean"]))
        return total, ({"loss": total, "reconstruction": fit, "kl": kl}, sums)

    def finish(extra, sums, train):
        psnr = 10 * jnp.log10(4 / jnp.maximum(sums["square_error"] / sums["pixels"], 1e-10))
        if train:
            extra = extra | {"autoencoder": {"latents": _update(extra["autoencoder"]["latents"], sums, stats_decay)}}
        return extra, {"psnr": psnr}

    def reconstruct(params, extra, batch, rng):
        own = {"params": params["autoencoder"]}
        mean, _ = model.apply(own, to_signed(batch["frames"]), method="encode")
        return {"frames": to_unit(model.apply(own, mean, method="decode"))}

    return Stage("autoencoder", {"autoencoder": init(model)}, loss, finish, {"reconstruct": reconstruct})


def init(model: AutoencoderKL) -> InitPart:
    """The autoencoder as a part, of this stage or of the video stage; its collection is "latents"."""

    def init_part(rng: Array, batch: Batch, before: Mapping[str, Any]) -> tuple[Params, Extra]:
        del batch, before
        param_key, sample_key = jax.random.split(rng)
        images = jnp.zeros((1, model.downsampling, model.downsampling, 3))  # the network is convolutional
        params = model.init(param_key, images, Chance.whole(sample_key, 1))["params"]
        channels = model.latent_channels
        return params, {"latents": {"mean": jnp.zeros((channels,)), "std": jnp.ones((channels,))}}

    return init_part


@typechecked
def to_signed(frames: UInt8[Array, "*S"]) -> Float[Array, "*S"]:
    """[0, 255] -> [-1, 1]."""
    return frames.astype(jnp.float32) / 127.5 - 1


@typechecked
def to_unit(images: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """[-1, 1] -> [0, 1], clipped."""
    return jnp.clip(images.astype(jnp.float32) / 2 + 0.5, 0, 1)


@typechecked
def encode_latents(
    model: AutoencoderKL, weights: PyTree, frames: UInt8[Array, "N H W 3"], drawn: Chance | None
) -> Float[Array, "N _ _ C"]:
    """Normalised latents, float32: of the posterior with `drawn` (training), its mean without (inference).

    weights: {"params", "latents"}, as of `decode_latents`.
    """
    return draw_latents(weights, moments(model, weights, frames), drawn)


@typechecked
def moments(model: AutoencoderKL, weights: PyTree, frames: UInt8[Array, "N H W 3"]) -> Float[Array, "N _ _ C2"]:
    """Mean and log variance of the posterior, one after the other in the last dimension, float32."""
    found = model.apply({"params": weights["params"]}, to_signed(frames), method="encode")
    return jnp.concatenate(found, axis=-1).astype(jnp.float32)


@typechecked
def draw_latents(
    weights: PyTree, posterior: Float[Array, "N H W C2"], drawn: Chance | None
) -> Float[Array, "N H W C"]:
    """Normalised latents of what `moments` gives, see `encode_latents`."""
    latents, logvar = jnp.split(posterior.astype(jnp.float32), 2, axis=-1)
    if drawn is not None:
        latents += jnp.exp(0.5 * logvar) * drawn.normal(latents.shape[1:])
    return (latents - weights["latents"]["mean"]) / weights["latents"]["std"]


@typechecked
def decode_latents(
    model: AutoencoderKL, weights: PyTree, latents: Float[Array, "N _ _ C"]
) -> Float[Array, "N H W 3"]:
    """Frames in [0, 1] of normalised latents."""
    latents = latents * weights["latents"]["std"] + weights["latents"]["mean"]
    return to_unit(model.apply({"params": weights["params"]}, latents, method="decode"))


def _moments(latents, centre):
    """Sums over all cells of what `_update` needs, about `centre` (C,): about zero they would lose digits."""
    away = latents - centre
    return {"away": away.sum((0, 1, 2)), "squares": jnp.square(away).sum((0, 1, 2))}


def _update(stats, sums, decay):
    away, squares = sums["away"] / sums["cells"], sums["squares"] / sums["cells"]
    moved = (1 - decay) * away  # of the running mean
    variance = decay * stats["std"] ** 2 + (1 - decay) * (squares - 2 * moved * away + jnp.square(moved))
    return {"mean": stats["mean"] + moved, "std": jnp.sqrt(variance)}
