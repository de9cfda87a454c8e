"""Stage 3: latent video diffusion, in two phases (paper, section 3.5; AnimateAnyone's recipe).

"appearance": two random frames of a clip, no temporal modules. "motion": 16 consecutive frames. The paper trains the
motion decoder in the second phase alone; here the pose control already learns in the first (open), as AnimateAnyone's
does: without it the U-Net cannot tell where the dancer of the target frame stands, and learns an average.
Which parameters a phase trains is a config's list of regexes.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from xdancer_jax.diffusion import prediction
from xdancer_jax.diffusion.schedules import NoiseSchedule
from xdancer_jax.stage import Stage
from xdancer_jax.stages import video_sampling
from xdancer_jax.stages.autoencoder import encode_latents
from xdancer_jax.stages.video_networks import Networks
from xdancer_jax.stages.video_sampling import Sampler
from xdancer_jax.typing import Array, Batch, Extra, Metrics, Params, PyTree

PHASES = ("appearance", "motion")


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


def make(
    networks: Networks,
    objective: Objective,
    sampler: Sampler,
    *,
    phase: str,
    frozen: Mapping[str, Mapping[str, PyTree]],
    trainable: Sequence[str] = (".*",),
    initial_params: Params | None = None,
) -> Stage:
    """Stage over video batches {"reference", "frames", "poses", "pose_window", "pose_images"}.

    Args:
      frozen: {"autoencoder": {"params", "extra"}, "tokenizer": {"params", "extra"}} of the trained earlier stages;
        the tokenizer may be missing under the pose guider. `init` puts them under extra["frozen"].
      initial_params: unboxed parameters to start from (the appearance phase's, for the motion phase). "pose" may be
        missing: another pose control starts anew.
    """
    if phase not in PHASES:
        raise ValueError(f"phase={phase!r}: choose one of {PHASES}")
    use_temporal = phase == "motion"

    def init(rng, batch):
        params = _init_params(networks, rng, batch, frozen)
        if initial_params is not None:
            params = _replace(params, initial_params)
        return params, {"frozen": dict(frozen)}

    def loss(params, extra, batch, rng, train):
        return diffusion_loss(networks, objective, params, extra, batch, rng, train, use_temporal)

    def sample(params, extra, batch, rng):
        frames = video_sampling.sample(
            networks, objective.schedule, objective.prediction, sampler, params, extra, batch, rng, use_temporal
        )
        return {"frames": frames}

    return Stage("video", init, loss, {"sample": sample}, tuple(trainable))


def diffusion_loss(
    networks: Networks, objective: Objective, params: Params, extra: Extra, batch: Batch, rng: Array, train: bool,
    use_temporal: bool,
) -> tuple[Array, tuple[Metrics, Extra]]:
    """One time step a clip. In evaluation nothing is dropped and the time steps are evenly spread, not drawn, so that
    losses of different checkpoints compare."""
    noise_key, step_key, drop_key, frame_key, reference_key = jax.random.split(rng, 5)
    frozen, schedule = extra["frozen"], objective.schedule
    clips, frames = batch["frames"].shape[:2]
    encoder = (networks.autoencoder, frozen["autoencoder"]["params"], frozen["autoencoder"]["extra"])
    flat = batch["frames"].reshape(-1, *batch["frames"].shape[2:])
    clean = encode_latents(*encoder, flat, frame_key if train else None)
    clean = clean.reshape(clips, frames, *clean.shape[1:])
    reference = encode_latents(*encoder, batch["reference"], reference_key if train else None)
    if train:
        timesteps = prediction.sample_timesteps(step_key, clips, schedule.num_steps)
        keep = jax.random.bernoulli(drop_key, 1 - objective.condition_dropout, (clips,))
    else:
        timesteps = ((jnp.arange(clips) + 0.5) / clips * schedule.num_steps).astype(jnp.int32)
        keep = None
    noise = prediction.sample_noise(noise_key, clean.shape, objective.noise_offset)
    alpha_bar = schedule.at(timesteps)
    output = networks.denoise(
        params, prediction.add_noise(clean, noise, alpha_bar), timesteps,
        networks.condition(params, batch["reference"], reference), networks.pose_inputs(frozen, batch),
        keep=keep, use_temporal=use_temporal,
    )
    target = prediction.target(objective.prediction, clean, noise, alpha_bar)
    error = jnp.square(output - target).mean(axis=tuple(range(1, output.ndim)))
    if objective.min_snr_gamma:
        error *= prediction.min_snr_weight(objective.prediction, alpha_bar, objective.min_snr_gamma)
    total = error.mean()
    return total, ({"loss": total}, extra)


def _init_params(networks: Networks, rng: Array, batch: Batch, frozen) -> Params:
    """Boxed parameters. The ReferenceNet starts as a copy of the U-Net (paper: "a trainable copy")."""
    unet_key, reference_key, photo_key, image_key, pose_key = jax.random.split(rng, 5)
    one = {name: batch[name][:1] for name in ("reference", "frames", "poses", "pose_window", "pose_images")}
    autoencoder = frozen["autoencoder"]
    latents = encode_latents(
        networks.autoencoder, autoencoder["params"], autoencoder["extra"], one["reference"], None
    )
    size = networks.image_encoder.image_size
    token, image_params = networks.image_encoder.init_with_output(image_key, jnp.zeros((1, size, size, 3)))
    clip = jnp.broadcast_to(latents[:, None], (1, one["frames"].shape[1], *latents.shape[1:]))
    unet = networks.unet.init(unet_key, clip, jnp.zeros((1,), jnp.int32), token)["params"]
    reference_net = networks.reference_net.init(reference_key, latents, token)["params"]
    pose = networks.pose.init(pose_key, *networks.pose_inputs(frozen, one))["params"]
    photo = networks.photo.init(photo_key, latents)["params"]
    return {
        "unet": unet, "reference_net": _take_same_paths(reference_net, unet), "photo": photo,
        "image_encoder": image_params["params"], "pose": pose,
    }


def _is_box(leaf) -> bool:
    return isinstance(leaf, nn.meta.AxisMetadata)


def _take_same_paths(params: Params, source: Params) -> Params:
    """`params` with every leaf taken from the same path of `source`; a path that is not there is an error."""
    known = dict(jax.tree_util.tree_leaves_with_path(source, is_leaf=_is_box))
    return jax.tree_util.tree_map_with_path(lambda path, _: known[path], params, is_leaf=_is_box)


def _replace(boxed: Params, values: Params) -> Params:
    """`boxed` with the arrays of `values`. Raises ValueError where paths or shapes differ; only "pose" may lack."""
    if "pose" in boxed and "pose" not in values:
        others = {name: part for name, part in boxed.items() if name != "pose"}
        return _replace(others, values) | {"pose": boxed["pose"]}
    have = {jax.tree_util.keystr(p): x.shape for p, x in jax.tree_util.tree_leaves_with_path(nn.meta.unbox(boxed))}
    given = {jax.tree_util.keystr(p): x.shape for p, x in jax.tree_util.tree_leaves_with_path(values)}
    wrong = sorted(path for path in have.keys() | given.keys() if have.get(path) != given.get(path))
    if wrong:
        raise ValueError(f"init_from: {len(wrong)} parameters do not fit this config's model, e.g. params{wrong[0]}")
    return nn.meta.replace_boxed(boxed, jax.tree.map(jnp.asarray, values))
