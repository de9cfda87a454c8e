"""Sampling of stage 3: DDIM with guidance, for a batch of short clips and for one clip of any length."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax.diffusion import guidance, samplers, windows
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.stage import variables
from xdancer_jax.stages.autoencoder import decode_latents, encode_latents
from xdancer_jax.stages.video_networks import Condition, Networks, Residuals
from xdancer_jax.typing import Array, Batch, Extra, Float, Int, Params, typechecked

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How to sample.

    Attributes:
      num_steps, spacing, eta: see diffusion.samplers.
      guidance: scale; 1 turns guidance off and halves the work.
      window, overlap: frames of a temporal window, and frames that neighbours share at least (open: 16 and 4).
      decode_chunk: frames that the autoencoder decodes at once.
    """

    num_steps: int = 20
    spacing: str = "trailing"
    eta: float = 0.0
    guidance: float = 3.5
    window: int = 16
    overlap: int = 4
    decode_chunk: int = 8


def sample(
    networks: Networks, schedule: NoiseSchedule, prediction: str, sampler: Sampler, params: Params, extra: Extra,
    batch: Batch, rng: Array,
) -> Array:
    """Frames (B, F, H, W, 3) in [0, 1] of a video batch, all F frames in one window. Pure: jit it, or map over it."""
    noise_key, step_key = jax.random.split(rng)
    reference, condition = _reference(networks, params, extra, batch["reference"])
    residuals = networks.residuals(params, extra, batch, reference.shape[1:3])
    plan = samplers.plan(schedule, sampler.num_steps, sampler.spacing)
    noise = jax.random.normal(noise_key, (reference.shape[0], batch["poses"].shape[1], *reference.shape[1:]))
    keys = jax.random.split(step_key, len(plan))

    def step(noisy, x):
        timestep, alpha_bar, next_alpha_bar, key = x
        output = _predict(networks, sampler.guidance, params, noisy, timestep, condition, residuals)
        noisy = samplers.ddim_step(prediction, output, noisy, alpha_bar, next_alpha_bar, eta=sampler.eta, rng=key)
        return noisy, None

    latents, _ = jax.lax.scan(step, noise, (plan.timesteps, plan.alphas_bar, plan.next_alphas_bar, keys))
    flat = latents.reshape(-1, sampler.decode_chunk if latents.shape[1] % sampler.decode_chunk == 0 else 1,
                           *latents.shape[2:])
    frames = jax.lax.map(lambda chunk: _decode(networks, params, extra, chunk), flat)
    return frames.reshape(*latents.shape[:2], *frames.shape[2:])


def make_generate(
    networks: Networks, schedule: NoiseSchedule, prediction: str, sampler: Sampler
) -> Callable[..., np.ndarray]:
    """generate(params, extra, rng, *, reference, poses, pose_images=None, tokens=None, progress=None) -> frames.

    A clip of any length from one photo: every step denoises all overlapping windows and averages their predictions
    ("prompt travelling" in the paper). Only one window at a time is on the device's hands, so every length
    shares the compiled functions, which belong to the returned closure: make it once.

      reference: (H, W, 3) uint8. poses: (F, 60, 3). pose_images: (F, H, W, 3) uint8, for the pose guider.
      tokens: (F, S, K) int32 for the motion decoder, that stage 2 wrote or the tokenizer made of the whole clip.
      progress: called with (windows done, windows in all).
      Returns (F, H, W, 3) float32 in [0, 1].
    """
    reference_fn = jax.jit(lambda *args: _reference(networks, *args))
    inputs_fn = jax.jit(networks.residuals, static_argnums=3)
    predict_fn = jax.jit(lambda *args: _predict(networks, sampler.guidance, *args))
    decode_fn = jax.jit(lambda *args: _decode(networks, *args))
    plan = samplers.plan(schedule, sampler.num_steps, sampler.spacing)

    def generate(params, extra, rng, *, reference, poses, pose_images=None, tokens=None, progress=None):
        given = {"poses": poses, "pose_images": pose_images, "tokens": tokens}
        clip = {name: _pad(value, sampler.window) for name, value in given.items() if value is not None}
        num_frames = len(clip["poses"])
        first = windows.starts(num_frames, sampler.window, sampler.overlap)
        indices = windows.frame_indices(first, sampler.window)
        latent, condition = reference_fn(params, extra, reference[None])
        inputs = [
            inputs_fn(params, extra, {k: v[None, i] for k, v in clip.items()}, latent.shape[1:3]) for i in indices
        ]
        noise_key, *step_keys = jax.random.split(rng, len(plan) + 1)
        noisy = jax.random.normal(noise_key, (num_frames, *latent.shape[1:]))
        for step, timestep in enumerate(plan.timesteps):
            outputs = []
            for i, window in enumerate(indices):
                outputs.append(predict_fn(params, noisy[None, window], timestep, condition, inputs[i])[0])
                if progress is not None:
                    progress(step * len(indices) + i + 1, len(plan) * len(indices))
            noisy = samplers.ddim_step(
                prediction, windows.average(jnp.stack(outputs), first, num_frames), noisy,
                jnp.asarray(plan.alphas_bar[step]), jnp.asarray(plan.next_alphas_bar[step]),
                eta=sampler.eta, rng=step_keys[step],
            )
        return _decode_chunks(functools.partial(decode_fn, params, extra), noisy, sampler.decode_chunk)[: len(poses)]

    return generate


def _reference(networks: Networks, params: Params, extra: Extra, images: Array) -> tuple[Array, Condition]:
    latents = encode_latents(networks.autoencoder, variables(params, extra, "autoencoder"), images, None)
    return latents, networks.condition(params, images, latents)


@typechecked
def _predict(
    networks: Networks, scale: float, params: Params, noisy: Float[Array, "B F H W C"], timestep: Int[Array, ""],
    condition: Condition, residuals: Residuals,
) -> Float[Array, "B F H W C"]:
    """The network's answer at one time step; with guidance both halves run as one batch."""
    clips = noisy.shape[0]
    if scale == 1:
        steps = jnp.full((clips,), timestep)
        return networks.denoise(params, noisy, steps, condition, residuals, keep=None)
    noisy, condition, residuals = jax.tree.map(lambda x: jnp.concatenate([x, x]), (noisy, condition, residuals))
    output = networks.denoise(
        params, noisy, jnp.full((2 * clips,), timestep), condition, residuals,
        keep=jnp.arange(2 * clips) < clips,
    )
    return guidance.classifier_free(output[:clips], output[clips:], scale)


def _decode(networks: Networks, params: Params, extra: Extra, latents: Array) -> Array:
    return decode_latents(networks.autoencoder, variables(params, extra, "autoencoder"), latents)


def _decode_chunks(decode_fn, latents: Array, chunk: int) -> np.ndarray:
    """Frame by frame latents decoded `chunk` at a time; the last chunk is padded, so that one shape is compiled."""
    frames = [
        np.asarray(decode_fn(jnp.asarray(_pad(latents[i : i + chunk], chunk))))
        for i in range(0, len(latents), chunk)
    ]
    return np.concatenate(frames)[: len(latents)]


def _pad(values: np.ndarray, size: int) -> np.ndarray:
    """The last frame repeated until there are `size`: below the trained window the pictures degrade."""
    values = np.asarray(values)
    missing = size - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
