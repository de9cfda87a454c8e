"""Stage 0: the image autoencoder whose latents the video diffusion lives in.

The paper takes SD1.5's; training our own is for data sets and machines without those weights. Reconstruction + KL only:
no adversarial and no perceptual term (open), which need networks with weights of their own.
"""

import jax
import jax.numpy as jnp

from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.stage import Stage
from xdancer_jax.typing import Array, Extra, Float, Params, UInt8, typechecked


def make(
    model: AutoencoderKL, *, reconstruction: str = "l1", kl_weight: float = 1e-6, stats_decay: float = 0.99,
    trainable: tuple[str, ...] = (".*",),
) -> Stage:
    """Stage over {"frames": (B, H, W, 3) uint8}.

    extra["latents"] = {"mean": (C,), "std": (C,)} are running moments of the latents, channel by channel; the video
    stage diffuses (latents - mean) / std, in place of SD1.5's single constant 0.18215.

    Args:
      reconstruction: "l1" or "l2", averaged over pixels in [-1, 1].
      kl_weight: times the KL from N(0, 1), averaged over latent cells (open: SD's 1e-6).
      stats_decay: of the running moments, a training step.
    """
    if reconstruction not in ("l1", "l2"):
        raise ValueError(f"loss.reconstruction={reconstruction!r}: choose 'l1' or 'l2'")

    def init(rng, batch):
        param_key, sample_key = jax.random.split(rng)
        params = model.init(param_key, to_signed(batch["frames"][:1]), sample_key)["params"]
        channels = model.latent_channels
        return params, {"latents": {"mean": jnp.zeros((channels,)), "std": jnp.ones((channels,))}}

    def loss(params, extra, batch, rng, train):
        images = to_signed(batch["frames"])
        output, mean, logvar = model.apply({"params": params}, images, rng)
        error = output.astype(jnp.float32) - images
        fit = jnp.abs(error).mean() if reconstruction == "l1" else jnp.square(error).mean()
        mean, logvar = mean.astype(jnp.float32), logvar.astype(jnp.float32)
        kl = 0.5 * (jnp.square(mean) + jnp.exp(logvar) - 1 - logvar).mean()
        if train:
            extra = extra | {"latents": _update(extra["latents"], jax.lax.stop_gradient(mean), stats_decay)}
        total = fit + kl_weight * kl
        psnr = 10 * jnp.log10(4 / jnp.maximum(jnp.square(error).mean(), 1e-10))
        return total, ({"loss": total, "reconstruction": fit, "kl": kl, "psnr": psnr}, extra)

    def reconstruct(params, extra, batch, rng):
        mean, _ = model.apply({"params": params}, to_signed(batch["frames"]), method="encode")
        return {"frames": to_unit(model.apply({"params": params}, mean, method="decode"))}

    return Stage("autoencoder", init, loss, {"reconstruct": reconstruct}, trainable)


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
    model: AutoencoderKL, params: Params, extra: Extra, frames: UInt8[Array, "N H W 3"], rng: Array | None
) -> Float[Array, "N _ _ C"]:
    """Normalised latents, float32: drawn from the posterior with `rng` (training), its mean without (inference)."""
    mean, logvar = model.apply({"params": params}, to_signed(frames), method="encode")
    latents = mean.astype(jnp.float32)
    if rng is not None:
        latents += jnp.exp(0.5 * logvar.astype(jnp.float32)) * jax.random.normal(rng, mean.shape)
    return (latents - extra["latents"]["mean"]) / extra["latents"]["std"]


@typechecked
def decode_latents(
    model: AutoencoderKL, params: Params, extra: Extra, latents: Float[Array, "N _ _ C"]
) -> Float[Array, "N H W 3"]:
    """Frames in [0, 1] of normalised latents."""
    latents = latents * extra["latents"]["std"] + extra["latents"]["mean"]
    return to_unit(model.apply({"params": params}, latents, method="decode"))


def _update(stats, latents, decay):
    mean = decay * stats["mean"] + (1 - decay) * latents.mean((0, 1, 2))
    variance = decay * stats["std"] ** 2 + (1 - decay) * jnp.square(latents - mean).mean((0, 1, 2))
    return {"mean": mean, "std": jnp.sqrt(variance)}
