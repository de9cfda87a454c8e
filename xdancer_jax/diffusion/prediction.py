"""What the network predicts, and how one prediction turns into another; the forward process; loss weights.

All of it in float32. `alpha_bar` has the batch axis only and is stretched over the rest of `latents`.
"""

import jax.numpy as jnp

from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Float, typechecked

KINDS = ("epsilon", "sample", "v_prediction")


def check(kind: str, zero_terminal_snr: bool) -> None:
    """Raises ValueError for an unknown kind, and for "epsilon" where the last step holds no signal to recover."""
    if kind not in KINDS:
        raise ValueError(f"prediction={kind!r}: choose one of {KINDS}")
    if kind == "epsilon" and zero_terminal_snr:
        raise ValueError(
            "prediction='epsilon' cannot start from pure noise: use 'v_prediction' or 'sample', "
            "or set schedule.zero_terminal_snr to False"
        )


def add_noise(clean: Float[Array, "B *S"], noise: Float[Array, "B *S"], alpha_bar: Float[Array, "B"]) -> Array:
    """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise."""
    signal, sigma = _coefficients(alpha_bar, clean.ndim)
    return signal * clean + sigma * noise


@typechecked
def sample_noise(chance: Chance, shape: tuple[int, ...], offset: float = 0.0) -> Float[Array, "..."]:
    """Normal noise (B, F, H, W, C) of a clip's `shape` (F, H, W, C), plus `offset` times one normal number a clip and
    channel (noise offset of Crosslabs 2023)."""
    noise = chance.stream("cells").normal(shape)
    if offset:
        noise += offset * chance.stream("offset").normal((*(1,) * (len(shape) - 1), shape[-1]))
    return noise


@typechecked
def target(
    kind: str, clean: Float[Array, "B *S"], noise: Float[Array, "B *S"], alpha_bar: Float[Array, "B"]
) -> Float[Array, "B *S"]:
    """What a network of this kind should answer; v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0."""
    if kind == "epsilon":
        return noise
    if kind == "sample":
        return clean
    signal, sigma = _coefficients(alpha_bar, clean.ndim)
    return signal * noise - sigma * clean


@typechecked
def to_clean_and_noise(
    kind: str, output: Float[Array, "B *S"], noisy: Float[Array, "B *S"], alpha_bar: Float[Array, "B"]
) -> tuple[Float[Array, "B *S"], Float[Array, "B *S"]]:
    """(x_0, noise) that the network's answer stands for."""
    signal, sigma = _coefficients(alpha_bar, output.ndim)
    output, noisy = output.astype(jnp.float32), noisy.astype(jnp.float32)
    if kind == "epsilon":
        return (noisy - sigma * output) / signal, output
    if kind == "sample":
        return output, (noisy - signal * output) / sigma
    return signal * noisy - sigma * output, sigma * noisy + signal * output


@typechecked
def min_snr_weight(kind: str, alpha_bar: Float[Array, "B"], gamma: float) -> Float[Array, "B"]:
    """Loss weight min(SNR, gamma) of Hang et al. 2023 on x_0, turned into the units of `kind`.

    For v it is min(SNR + 1, gamma) / (SNR + 1), the AnimateAnyone trainers' form, which keeps weight 1
    where the SNR is zero.
    """
    snr = alpha_bar / jnp.maximum(1 - alpha_bar, 1e-8)
    if kind == "sample":
        return jnp.minimum(snr, gamma)
    if kind == "epsilon":
        return jnp.minimum(1.0, gamma / jnp.maximum(snr, 1e-8))
    return jnp.minimum(snr + 1, gamma) / (snr + 1)


def _coefficients(alpha_bar: Array, ndim: int) -> tuple[Array, Array]:
    alpha_bar = alpha_bar.astype(jnp.float32).reshape(-1, *(1,) * (ndim - 1))
    return jnp.sqrt(alpha_bar), jnp.sqrt(1 - alpha_bar)
