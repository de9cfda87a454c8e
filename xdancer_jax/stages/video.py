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
import numpy as np

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
      eval_buckets: equal ranges of time steps, in whose middles evaluation looks at every clip.
      condition_dropout: probability that a clip trains without image token and reference, for guidance.
      noise_offset: see diffusion.prediction.sample_noise.
      min_snr_gamma: see diffusion.prediction.min_snr_weight; None (or 0) weighs all time steps alike.
    """

    schedule: NoiseSchedule
    prediction: str
    eval_buckets: int = 4
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
    """In training one time step a clip. In evaluation nothing is dropped, and the loss is the mean over the middles of
    `eval_buckets` ranges of time steps, the same for every clip and checkpoint; "loss_tN" is that at time step N."""
    schedule = objective.schedule
    clean, reference = _latents(networks, variables(params, extra, "autoencoder"), batch, chance if train else None)
    if "reference_token" in batch:
        token = batch["reference_token"][:, None]
    else:
        token = networks.look(params, batch["reference"])
    condition = networks.condition(params, token, reference)
    residuals = networks.residuals(params, extra, batch, clean.shape[2:4])
    noise = prediction.sample_noise(chance.stream("noise"), clean.shape[1:], objective.noise_offset)

    def at(timesteps: Array, keep: Array | None) -> Array:
        """The loss at time steps (B,)."""
        alpha_bar = schedule.at(timesteps)
        output = networks.denoise(
            params, prediction.add_noise(clean, noise, alpha_bar), timesteps, condition, residuals, keep=keep
        )
        target = prediction.target(objective.prediction, clean, noise, alpha_bar)
        error = jnp.square(output - target).mean(axis=tuple(range(1, output.ndim)))
        if objective.min_snr_gamma:
            error *= prediction.min_snr_weight(objective.prediction, alpha_bar, objective.min_snr_gamma)
        return error.mean()

    if train:
        keep = chance.stream("keep").bernoulli(1 - objective.condition_dropout)
        total = at(chance.stream("timesteps").integers(schedule.num_steps), keep)
        return total, ({"loss": total}, {})
    middles = eval_timesteps(schedule.num_steps, objective.eval_buckets)
    losses = jax.lax.map(lambda t: at(jnp.full(clean.shape[0], t), None), jnp.asarray(middles))
    total = losses.mean()
    return total, ({"loss": total} | {f"loss_t{t}": losses[i] for i, t in enumerate(middles)}, {})


def eval_timesteps(num_steps: int, buckets: int) -> np.ndarray:
    """(buckets,) int32, the middles of equal ranges of [0, num_steps)."""
    return ((np.arange(buckets) + 0.5) / buckets * num_steps).astype(np.int32)


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
