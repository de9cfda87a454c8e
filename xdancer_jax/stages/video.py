"""Stage 3: latent video diffusion, in two phases (paper, section 3.5).

"appearance": two random frames of a clip, no motion modules; in the paper no pose control either. "motion": 16
consecutive frames, U-Net with motion modules and a pose control. Which parts exist is Networks' matter, which of them
train the config's.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from xdancer_jax.diffusion import prediction
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.models.unet import fold
from xdancer_jax.nn.batch_split import frame_ways
from xdancer_jax.rng import Chance
from xdancer_jax.stage import Stage, Sums, variables
from xdancer_jax.stages.autoencoder import draw_latents, moments
from xdancer_jax.stages.video_networks import Networks
from xdancer_jax.typing import Array, Batch, Extra, Metrics, Params, PyTree


@dataclasses.dataclass(frozen=True)
class Objective:
    """The diffusion loss.

    Attributes:
      condition_dropout: probability that a clip trains without image token and reference, for guidance.
      noise_offset: see diffusion.prediction.sample_noise.
      min_snr_gamma: see diffusion.prediction.min_snr_weight; None (or 0) weighs all time steps alike.
    """

    schedule: NoiseSchedule
    prediction: str
    condition_dropout: float = 0.1
    noise_offset: float = 0.0
    min_snr_gamma: float | None = None

    def __post_init__(self):
        prediction.check(self.prediction, self.schedule.zero_terminal_snr)


def make(networks: Networks, objective: Objective) -> Stage:
    """Stage over video batches {"reference", "frames"}, with what the pose control reads (Networks.residuals).

    In place of pictures a batch may hold what was computed of them beforehand: "latents" (B, F, h, w, 2C) and
    "reference_latents" (B, h, w, 2C), moments of the frozen autoencoder, from which training still draws; and
    "reference_token" (B, D), of the frozen image encoder.
    """

    def loss(params, extra, batch, chance, train):
        return diffusion_loss(networks, objective, params, extra, batch, chance, train)

    return Stage("video", networks.parts(), loss)


def diffusion_loss(
    networks: Networks, objective: Objective, params: Params, extra: Extra, batch: Batch, chance: Chance,
    train: bool,
) -> tuple[Array, tuple[Metrics, Sums]]:
    """One time step a clip. In evaluation nothing is dropped and the time steps are evenly spread, not drawn, so that
    losses of different checkpoints compare."""
    schedule = objective.schedule
    clean, reference = _latents(networks, variables(params, extra, "autoencoder"), batch, chance if train else None)
    if "reference_token" in batch:
        token = batch["reference_token"][:, None]
    else:
        token = networks.look(params, batch["reference"])
    if train:
        timesteps = chance.stream("timesteps").integers(schedule.num_steps)
        keep = chance.stream("keep").bernoulli(1 - objective.condition_dropout)
    else:
        timesteps = ((chance.rows + 0.5) / chance.total * schedule.num_steps).astype(jnp.int32)
        keep = None
    noise = prediction.sample_noise(chance.stream("noise"), clean.shape[1:], objective.noise_offset)
    alpha_bar = schedule.at(timesteps)
    output = networks.denoise(
        params, prediction.add_noise(clean, noise, alpha_bar), timesteps,
        networks.condition(params, token, reference),
        networks.residuals(params, extra, batch, clean.shape[2:4]), keep=keep,
    )
    target = prediction.target(objective.prediction, clean, noise, alpha_bar)
    error = jnp.square(output - target).mean(axis=tuple(range(1, output.ndim)))
    if objective.min_snr_gamma:
        error *= prediction.min_snr_weight(objective.prediction, alpha_bar, objective.min_snr_gamma)
    total = error.mean()
    return total, ({"loss": total}, {})


def _latents(networks: Networks, weights: PyTree, batch: Batch, chance: Chance | None) -> tuple[Array, Array]:
    """Clean latents of the frames (B, F, h, w, C) and of the references (B, h, w, C); drawn by `chance`, if given."""

    if "latents" in batch:
        target, reference = batch["latents"], batch["reference_latents"]
    else:
        encode = functools.partial(moments, networks.autoencoder, weights)
        target = _in_turns(encode, batch["frames"])
        reference = encode(batch["reference"])
    clips, frames = target.shape[:2]
    drawn = chance and chance.stream("frames").repeat(frames)
    clean = draw_latents(weights, target.reshape(-1, *target.shape[2:]), drawn)
    reference = draw_latents(weights, reference, chance and chance.stream("reference"))
    return clean.reshape(clips, frames, *clean.shape[1:]), reference


def _in_turns(encode: Callable[[Array], Array], frames: Array) -> Array:
    """`encode` of frames (B, F, H, W, 3), on each device one of every clip at a time: all at once take 16 GB at
    896x512."""
    clips, count = frames.shape[:2]
    at_once = frame_ways(clips, count)
    turns = jnp.moveaxis(frames.reshape(clips, at_once, count // at_once, *frames.shape[2:]), 2, 0)
    done = jax.lax.map(lambda turn: encode(fold(turn)), turns)
    done = done.reshape(-1, clips, at_once, *done.shape[2:])
    return jnp.moveaxis(done, 0, 2).reshape(clips, count, *done.shape[3:])
