"""Sampling of stage 3: DDIM with guidance, for one clip of any length."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax import sharding
from xdancer_jax.diffusion import guidance, samplers, windows
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.rng import at_step, stream
from xdancer_jax.sharding import Place
from xdancer_jax.stage import variables
from xdancer_jax.stages.autoencoder import decode_latents, encode_latents
from xdancer_jax.stages.video_networks import Condition, Networks, Residuals
from xdancer_jax.typing import Array, Extra, Float, Int, Params, PyTree, typechecked

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How to sample.

    Attributes:
      num_steps, spacing, eta: see diffusion.samplers.
      guidance: scale; 1 turns guidance off and halves the work.
      window, overlap: frames of a temporal window, and frames that neighbours share at least (open: 16 and 4).
      decode_chunk: frames that the autoencoder decodes at once on a device.
      kept_windows: windows a device whose pose features stay there from step to step. At paper size a frame's are 4.16
        million numbers, 8.3 MB in bfloat16: a window's 133 MB, 32 windows' (some 13 s of dance) 4.3 GB a device. Those
        of later windows are made anew at every step, from poses that are sent again: 0.3 TFLOP a window by the motion
        decoder, beside more than 67 by the U-Net with guidance.
    """

    num_steps: int = 20
    spacing: str = "trailing"
    eta: float = 0.0
    guidance: float = 3.5
    window: int = 16
    overlap: int = 4
    decode_chunk: int = 8
    kept_windows: int = 32


def make_generate(
    networks: Networks, schedule: NoiseSchedule, prediction: str, sampler: Sampler, place: Place | None = None
) -> Callable[..., np.ndarray]:
    """generate(params, extra, rng, *, reference, poses, pose_images=None, tokens=None, progress=None) -> frames.

    A clip of any length from one photo: every step denoises all overlapping windows and averages their predictions
    ("prompt travelling" in the paper). As many windows as the devices of `place` split a batch into are denoised at
    once, one on each, so that every length shares the networks' compiled functions; those belong to the returned
    function: make it once. Nothing goes to a device but what is put there explicitly: photo, poses and frame numbers,
    once a clip (see Sampler.kept_windows). A clip's latents lie whole on every device: 115 KB a frame at paper size.

      params, extra: on the devices of `place` (the first device if not given), where they stay. Where these are those
        of several processes, all of them call it with the same arguments, and all get the frames.
      reference: (H, W, 3) uint8. poses: (F, 60, 3). pose_images: (F, H, W, 3) uint8, for the pose guider.
      tokens: (F, S, K) int32 for the motion decoder, that stage 2 wrote or the tokenizer made of the whole clip.
      progress: called with (windows done, windows in all); it must not move arrays implicitly.
      Returns (F, H, W, 3) float32 in [0, 1].
    """
    return _Generator(networks, schedule, prediction, sampler, place or sharding.one_device())


class _Generator:
    """See make_generate."""

    def __init__(
        self, networks: Networks, schedule: NoiseSchedule, prediction: str, sampler: Sampler, place: Place
    ):
        self._sampler, self._place = sampler, place
        self._plan = samplers.plan(schedule, sampler.num_steps, sampler.spacing)
        self._reference = jax.jit(functools.partial(_reference, networks))
        self._residuals = jax.jit(networks.residuals, static_argnums=3)
        self._predict = jax.jit(functools.partial(_predict_step, networks, sampler.guidance))
        whole = sharding.replicated(place.mesh)
        # Pictures of other processes' devices can only be read where they are here as well.
        shared = None if whole.is_fully_addressable else whole
        self._decode = jax.jit(functools.partial(_decode, networks), out_shardings=shared)
        # Small, and compiled for every length: what touches whole clips.
        self._noise = jax.jit(_noise, static_argnums=1, out_shardings=whole)
        self._take = jax.jit(lambda clip, indices: keep_batch_split(windows.take(clip, indices)))
        self._nothing = jax.jit(jnp.zeros_like, out_shardings=whole)
        self._add = jax.jit(windows.add, out_shardings=whole)
        self._advance = jax.jit(functools.partial(_advance, prediction, sampler.eta), out_shardings=whole)

    def __call__(
        self, params: Params, extra: Extra, rng: Array, *, reference: np.ndarray, poses: np.ndarray,
        pose_images: np.ndarray | None = None, tokens: np.ndarray | None = None, progress: Progress | None = None,
    ) -> np.ndarray:
        given = {"poses": poses, "pose_images": pose_images, "tokens": tokens}
        clip = {name: _pad(value, self._sampler.window) for name, value in given.items() if value is not None}
        photo = np.asarray(reference)[None]
        with self._place.active(), jax.transfer_guard("disallow"):
            photo, rng = self._place.whole((photo, rng))
            with nn.logical_axis_rules(()):  # one photo is no batch to split
                latents, condition = self._reference(params, extra, photo)
            latents = self._denoise(params, extra, rng, condition, clip, latents.shape[1:], progress)
            return self._frames(params, extra, latents, len(poses))

    def _denoise(
        self, params: Params, extra: Extra, rng: Array, condition: Condition, clip: Mapping[str, np.ndarray],
        shape: tuple[int, ...], progress: Progress | None,
    ) -> Float[Array, "F H W C"]:
        """Latents of a clip, each frame's of `shape`."""
        sampler, place, num_frames = self._sampler, self._place, len(clip["poses"])
        indices = windows.frame_indices(num_frames, sampler.window, sampler.overlap, place.ways)

        def control(batch: np.ndarray) -> Residuals:
            rows = {name: values[np.minimum(batch, num_frames - 1)] for name, values in clip.items()}
            return self._residuals(params, extra, place.split(rows), shape[:2])

        kept = [control(batch) for batch in indices[: sampler.kept_windows]]
        frames = [place.split(batch) for batch in indices]
        plan, step, coverage = place.whole(
            (dataclasses.astuple(self._plan), np.int32(0), windows.coverage(indices, num_frames))
        )
        noisy = self._noise(rng, (num_frames, *shape))
        report = _Report(progress, len(self._plan), int((indices[:, :, 0] < num_frames).sum()), place.ways)
        for _ in range(len(self._plan)):
            total = self._nothing(noisy)
            for i, batch in enumerate(indices):
                residuals = kept[i] if i < len(kept) else control(batch)
                output = self._predict(params, self._take(noisy, frames[i]), plan, step, condition, residuals)
                total = self._add(total, output, frames[i])
                report(output)
            noisy, step = self._advance(total, coverage, noisy, plan, step, rng)
        report(None)
        return noisy

    def _frames(self, params: Params, extra: Extra, latents: Array, count: int) -> np.ndarray:
        """The first `count` frames, decoded in chunks; one is read while the next is under way."""
        size = self._sampler.decode_chunk * self._place.ways
        chunks = np.arange(-(-count // size) * size, dtype=np.int32).reshape(-1, size)
        pictures, pending = [], None
        for chunk in chunks:
            made = self._decode(params, extra, self._take(latents, self._place.split(chunk)))
            if pending is not None:
                pictures.append(jax.device_get(pending))
            pending = made
        return np.concatenate([*pictures, jax.device_get(pending)])[:count]


class _Report:
    """Tells `progress` of the windows that are done. It waits for a batch once the next is under way, so that devices
    are never idle and never more than two batches behind, whose memory would add up."""

    def __init__(self, progress: Progress | None, steps: int, count: int, ways: int):
        self._progress, self._steps, self._count, self._ways = progress, steps, count, ways
        self._batches, self._pending = 0, None

    def __call__(self, output: Array | None) -> None:
        if self._pending is not None:
            jax.block_until_ready(self._pending)
            self._batches += 1
            steps, batches = divmod(self._batches, -(-self._count // self._ways))
            if self._progress is not None:
                done = steps * self._count + min(batches * self._ways, self._count)
                self._progress(done, self._steps * self._count)
        self._pending = output


def _reference(networks: Networks, params: Params, extra: Extra, images: Array) -> tuple[Array, Condition]:
    latents = encode_latents(networks.autoencoder, variables(params, extra, "autoencoder"), images, None)
    return latents, networks.condition(params, networks.look(params, images), latents)


def _noise(rng: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.normal(stream(rng, "noise"), shape)


@typechecked
def _predict(
    networks: Networks, scale: float, params: Params, noisy: Float[Array, "B F H W C"], timestep: Int[Array, ""],
    condition: Condition, residuals: Residuals,
) -> Float[Array, "B F H W C"]:
    """The network's answer at one time step, of clips with a condition each or one for all; with guidance both halves
    run as one batch, a clip's side by side, so that they lie on one device."""
    clips = noisy.shape[0]
    condition = jax.tree.map(lambda x: keep_batch_split(jnp.broadcast_to(x, (clips, *x.shape[1:]))), condition)
    if scale == 1:
        steps = jnp.full((clips,), timestep)
        return networks.denoise(params, noisy, steps, condition, residuals, keep=None)
    noisy, condition, residuals = jax.tree.map(_twice, (noisy, condition, residuals))
    output = networks.denoise(
        params, noisy, jnp.full((2 * clips,), timestep), condition, residuals, keep=jnp.arange(2 * clips) % 2 == 0
    )
    output = keep_batch_split(output.reshape(clips, 2, *output.shape[1:]))
    return guidance.classifier_free(output[:, 0], output[:, 1], scale)


def _twice(x: Array) -> Array:
    """(B, ...) -> (2 B, ...), each row followed by itself."""
    return keep_batch_split(jnp.stack([x, x], axis=1).reshape(-1, *x.shape[1:]))


def _predict_step(
    networks: Networks, scale: float, params: Params, noisy: Array, plan: PyTree, step: Array, condition: Condition,
    residuals: Residuals,
) -> Array:
    """`_predict` at step number `step` of the plan."""
    timesteps, _, _ = plan
    return _predict(networks, scale, params, noisy, timesteps[step], condition, residuals)


def _advance(
    kind: str, eta: float, total: Array, coverage: Array, noisy: Array, plan: PyTree, step: Array, rng: Array
) -> tuple[Array, Array]:
    """(latents after a step, number of the next) from the sum of what the windows predict."""
    _, alphas_bar, next_alphas_bar = plan
    output = total / coverage.reshape(-1, *(1,) * (total.ndim - 1))
    noisy = samplers.ddim_step(
        kind, output, noisy, alphas_bar[step], next_alphas_bar[step], eta=eta, rng=at_step(rng, "ddim", step)
    )
    return noisy, step + 1


def _decode(networks: Networks, params: Params, extra: Extra, latents: Array) -> Array:
    return decode_latents(networks.autoencoder, variables(params, extra, "autoencoder"), latents)


def _pad(values: np.ndarray, size: int) -> np.ndarray:
    """The last frame repeated until there are `size`: below the trained window the pictures degrade."""
    values = np.asarray(values)
    missing = size - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])


__all__ = ["Sampler", "make_generate"]
