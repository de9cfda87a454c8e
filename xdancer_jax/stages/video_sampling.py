"""Sampling of stage 3 with guidance, for one clip of any length, in memory that hardly grows with it."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from xdancer_jax import sharding
from xdancer_jax.diffusion import guidance, solvers, windows
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.diffusion.solvers import Solver
from xdancer_jax.nn.batch_split import keep_batch_split
from xdancer_jax.rng import at_step, stream
from xdancer_jax.sharding import Place
from xdancer_jax.stage import variables
from xdancer_jax.stages.autoencoder import decode_latents, encode_latents
from xdancer_jax.stages.video_networks import Condition, Networks, Residuals
from xdancer_jax.typing import Array, Extra, Float, Int, Params, PyTree, typechecked

Progress = Callable[[int, int], None]
Frames = Any  # by frame: an array, or what gives one (n, F, ...) for frame numbers (n, F), and has a length


@dataclasses.dataclass(frozen=True)
class Sampler:
    """How to sample.

    Attributes:
      solver: a name of diffusion.solvers. num_steps, spacing: see diffusion.samplers. eta: of DDIM, see there.
      guidance: scale; 1 turns guidance off and halves the work.
      window, overlap: frames of a temporal window, and frames that neighbours share at least (open: 16 and 4).
      weights: how windows are averaged where they meet, see diffusion.windows.weights.
      shift: windows begin elsewhere at each step (diffusion.windows.shift); no pose features can be kept then.
      windows_at_once: that a device denoises as one batch.
      decode_chunk: frames that the autoencoder decodes at once on a device.
      kept_windows: windows a device whose pose features stay there from step to step. At paper size a frame's are 4.16
        million numbers, 8.3 MB in bfloat16: a window's 133 MB, 32 windows' (some 13 s of dance) 4.3 GB a device. Those
        of later windows are made anew at every step, from poses that are sent again: 0.3 TFLOP a window by the motion
        decoder, beside more than 67 by the U-Net with guidance.
    """

    solver: str = "ddim"
    num_steps: int = 20
    spacing: str = "trailing"
    eta: float = 0.0
    guidance: float = 3.5
    window: int = 16
    overlap: int = 4
    weights: str = "uniform"
    shift: bool = False
    windows_at_once: int = 1
    decode_chunk: int = 8
    kept_windows: int = 32


def make_generate(
    networks: Networks, schedule: NoiseSchedule, prediction: str, sampler: Sampler, place: Place | None = None
) -> "Generate":
    """generate(params, extra, rng, *, reference, poses, pose_images=None, tokens=None, progress=None) -> frames.

    A clip of any length from one photo: every step denoises all overlapping windows and averages their predictions
    ("prompt travelling" in the paper). As many windows as the devices of `place` split a batch into are denoised at
    once, one (or Sampler.windows_at_once) on each, so that every length shares the networks' compiled functions; those
    belong to the returned function: make it once. Nothing goes to a device but what is put there explicitly: photo,
    poses and frame numbers, once a clip (see Sampler.kept_windows). A clip's latents lie whole on every device: 115 KB
    a frame at paper size, twice that for DPM-Solver++.

      params, extra: on the devices of `place` (the first device if not given), where they stay. Where these are those
        of several processes, all of them call it with the same arguments, and all get the frames.
      reference: (H, W, 3) uint8. poses: (F, 60, 3). pose_images: (F, H, W, 3) uint8, for the pose guider.
      tokens: (F, S, K) int32 for the motion decoder, that stage 2 wrote or the tokenizer made of the whole clip.
        Each of the three may be anything that an array of frame numbers indexes: pictures can be drawn when asked for.
      progress: called with (windows done, windows in all); it must not move arrays implicitly.
      Returns (F, H, W, 3) float32 in [0, 1]. generate.stream(...) gives them in chunks as they are decoded, so that
      a long clip never lies in memory as a whole.
    """
    return Generate(networks, schedule, prediction, sampler, place or sharding.one_device())


class Generate:
    """See make_generate."""

    def __init__(
        self, networks: Networks, schedule: NoiseSchedule, prediction: str, sampler: Sampler, place: Place
    ):
        self._sampler, self._place = sampler, place
        self._solver = solvers.make(sampler.solver, sampler.eta)
        self._plan = self._solver.plan(schedule, sampler.num_steps, sampler.spacing)
        self._reference = jax.jit(functools.partial(_reference, networks))
        self._residuals = jax.jit(networks.residuals, static_argnums=3)
        self._predict = jax.jit(functools.partial(_predict_step, networks, sampler.guidance))
        whole = sharding.replicated(place.mesh)
        # Pictures of other processes' devices can only be read where they are here as well.
        shared = None if whole.is_fully_addressable else whole
        self._decode = jax.jit(functools.partial(_decode, networks), out_shardings=shared)
        # Small, and compiled for every length: what touches whole clips.
        self._noise = jax.jit(_noise, static_argnums=1, out_shardings=whole)
        self._start = jax.jit(self._solver.start, out_shardings=whole)
        self._take = jax.jit(lambda clip, indices: keep_batch_split(windows.take(clip, indices)))
        self._nothing = jax.jit(jnp.zeros_like, out_shardings=whole)
        self._add = jax.jit(windows.add, out_shardings=whole, donate_argnums=0)
        self._advance = jax.jit(functools.partial(_advance, self._solver, prediction), out_shardings=whole)

    def __call__(self, *weights_and_rng: Any, **clip: Any) -> np.ndarray:
        return np.concatenate(list(self.stream(*weights_and_rng, **clip)))

    def stream(
        self, params: Params, extra: Extra, rng: Array, *, reference: np.ndarray, poses: Frames,
        pose_images: Frames | None = None, tokens: Frames | None = None, progress: Progress | None = None,
    ) -> Iterator[np.ndarray]:
        """Chunks (n, H, W, 3) of the frames, n at most Sampler.decode_chunk times the devices' number."""
        given = {"poses": poses, "pose_images": pose_images, "tokens": tokens}
        clip = {name: value for name, value in given.items() if value is not None}
        photo = np.asarray(reference)[None]
        with self._active():
            photo, rng = self._place.whole((photo, rng))
            with nn.logical_axis_rules(()):  # one photo is no batch to split
                latents, condition = self._reference(params, extra, photo)
            latents = self._denoise(params, extra, rng, condition, clip, latents.shape[1:], progress)
        yield from self._frames(params, extra, latents, len(poses))

    @contextlib.contextmanager
    def _active(self) -> Iterator[None]:
        """Not to be held while a chunk is out: the caller would compute under it."""
        with self._place.active(), jax.transfer_guard("disallow"):
            yield

    def _denoise(
        self, params: Params, extra: Extra, rng: Array, condition: Condition, clip: Mapping[str, Frames],
        shape: tuple[int, ...], progress: Progress | None,
    ) -> Float[Array, "F H W C"]:
        """Latents of a clip, each frame's of `shape`; of one shorter than a window, the last frame stands still until
        there is one: below the trained window the pictures degrade."""
        sampler, place = self._sampler, self._place
        count = max(len(clip["poses"]), sampler.window)
        batches = [self._batches(count, step) for step in range(len(self._plan) if sampler.shift else 1)]

        def control(batch: np.ndarray) -> Residuals:
            rows = {name: values[np.minimum(batch, len(values) - 1)] for name, values in clip.items()}
            return self._residuals(params, extra, place.split(rows), shape[:2])

        kept = [] if sampler.shift else [control(batch) for batch in batches[0][: sampler.kept_windows]]
        weights = windows.weights(sampler.weights, sampler.window, sampler.overlap)
        there = [self._put(each, count, weights) for each in batches]
        plan, step, weights = place.whole((self._plan, np.int32(0), weights))
        noisy = self._noise(rng, (count, *shape))
        memory = self._start(noisy)
        real = [[int((batch[:, 0] < count).sum()) for batch in each] for each in batches]
        report = _Report(progress, sum(map(sum, real)) * len(self._plan) // len(batches))
        for number in range(len(self._plan)):
            turn = number % len(batches)
            frames, coverage = there[turn]
            total = self._nothing(noisy)
            for i, batch in enumerate(batches[turn]):
                residuals = kept[i] if i < len(kept) else control(batch)
                output = self._predict(params, self._take(noisy, frames[i]), plan, step, condition, residuals)
                total = self._add(total, output, frames[i], weights)
                report(output, real[turn][i])
            noisy, memory, step = self._advance(total, coverage, noisy, memory, plan, step, rng)
        report(None, 0)
        return noisy

    def _batches(self, count: int, step: int) -> Int[np.ndarray, "n B F"]:
        """Frame numbers of the windows of a step."""
        sampler = self._sampler
        shift = windows.shift(step, sampler.window, sampler.overlap)
        return windows.frame_indices(
            count, sampler.window, sampler.overlap, self._place.ways * sampler.windows_at_once, shift
        )

    def _put(self, batches: np.ndarray, count: int, weights: np.ndarray) -> tuple[list[Array], Array]:
        """(frame numbers by batch, coverage), on the devices."""
        frames = [self._place.split(batch) for batch in batches]
        return frames, self._place.whole(windows.coverage(batches, count, weights))

    def _frames(self, params: Params, extra: Extra, latents: Array, count: int) -> Iterator[np.ndarray]:
        """The first `count` frames, decoded in chunks; one is read while the next is under way."""
        size = self._sampler.decode_chunk * self._place.ways
        pending, first = None, 0
        for chunk in np.arange(-(-count // size) * size, dtype=np.int32).reshape(-1, size):
            with self._active():
                made = self._decode(params, extra, self._take(latents, self._place.split(chunk)))
                read = None if pending is None else jax.device_get(pending)
            if read is not None:
                yield read
                first += size
            pending = made
        yield jax.device_get(pending)[: count - first]


class _Report:
    """Tells `progress` of the windows that are done, of `total`. It waits for a batch once the next is under way, so
    that devices are never idle and never more than two batches behind, whose memory would add up."""

    def __init__(self, progress: Progress | None, total: int):
        self._progress, self._total = progress, total
        self._done, self._pending = 0, None

    def __call__(self, output: Array | None, count: int) -> None:
        """output: of a batch of `count` windows; None at the end."""
        if self._pending is not None:
            before, windows_in_it = self._pending
            jax.block_until_ready(before)
            self._done += windows_in_it
            if self._progress is not None:
                self._progress(self._done, self._total)
        self._pending = None if output is None else (output, count)


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
    return _predict(networks, scale, params, noisy, plan.timesteps[step], condition, residuals)


def _advance(
    solver: Solver, kind: str, total: Array, coverage: Array, noisy: Array, memory: PyTree, plan: PyTree, step: Array,
    rng: Array,
) -> tuple[Array, PyTree, Array]:
    """(latents after a step, the solver's memory, number of the next) from the weighted sum of what the windows
    predict."""
    output = total / coverage.reshape(-1, *(1,) * (total.ndim - 1))
    noisy, memory = solver.step(kind, output, noisy, memory, plan, step, at_step(rng, "ddim", step))
    return noisy, memory, step + 1


def _decode(networks: Networks, params: Params, extra: Extra, latents: Array) -> Array:
    return decode_latents(networks.autoencoder, variables(params, extra, "autoencoder"), latents)


__all__ = ["Generate", "Sampler", "make_generate"]
