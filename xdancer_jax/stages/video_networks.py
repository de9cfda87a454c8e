"""The networks of stage 3 and how they are wired: condition, denoise; shared by training and sampling."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from xdancer_jax.models import image_encoder
from xdancer_jax.models.autoencoder import AutoencoderKL
from xdancer_jax.models.image_encoder import ImageEncoder
from xdancer_jax.models.motion_decoder import MotionDecoder
from xdancer_jax.models.pose_guider import PoseGuider
from xdancer_jax.models.pose_tokenizer import PoseTokenizer
from xdancer_jax.models.reference_net import ReferenceNet
from xdancer_jax.models.unet import UNet
from xdancer_jax.stage import InitPart, variables
from xdancer_jax.stages import autoencoder as autoencoder_stage
from xdancer_jax.stages import tokenizer as tokenizer_stage
from xdancer_jax.typing import Array, Batch, Bool, Extra, Float, Int, Params, UInt8, typechecked

_MOTION_MODULES = "motion_modules"  # of the U-Net: what their names begin with, and the name of the part


class Condition(NamedTuple):
    """What the dancer looks like: one image token (B, 1, D), the ReferenceNet's features, and the photo's latents as
    they are added to the U-Net's first features (B, H, W, width), None where they are not."""

    token: Array
    features: tuple[Array, ...]
    photo: Array | None


Residuals = tuple[Array | None, ...] | None  # pose features by level of the U-Net; None without pose control


@dataclasses.dataclass(frozen=True)
class Networks:
    """The parts by name, but for "motion_modules", which are the U-Net's where it is temporal.

    `pose` is the pose control: MotionDecoder (the paper's, which needs the tokenizer), PoseGuider (its ablation) or
    None (the paper's appearance phase). `photo`, not in the paper, is a convolution of the photo's latents, zero at
    first, whose output joins the U-Net's first features beside the ReferenceNet's attention; None without it.
    """

    autoencoder: AutoencoderKL
    unet: UNet
    reference_net: ReferenceNet
    image_encoder: ImageEncoder
    pose: MotionDecoder | PoseGuider | None = None
    tokenizer: PoseTokenizer | None = None
    photo: nn.Conv | None = None

    def __post_init__(self):
        if isinstance(self.pose, MotionDecoder) != (self.tokenizer is not None):
            raise ValueError("a motion decoder, and nothing else, reads pose tokens: it needs a tokenizer")

    @typechecked
    def condition(
        self, params: Params, token: Float[Array, "B 1 D"], latents: Float[Array, "B _ _ C"]
    ) -> Condition:
        """Of the reference photo's token (see `look`) and clean latents; the ReferenceNet runs here, once a clip (at
        t = 0)."""
        features = self.reference_net.apply({"params": params["reference_net"]}, latents, token)
        photo = None if self.photo is None else self.photo.apply({"params": params["photo"]}, latents)
        return Condition(token, features, photo)

    @typechecked
    def look(self, params: Params, images: UInt8[Array, "B H W 3"]) -> Float[Array, "B 1 D"]:
        """The image encoder's token of photos."""
        pixels = image_encoder.preprocess(images, self.image_encoder.image_size, self.image_encoder.framing)
        return self.image_encoder.apply({"params": params["image_encoder"]}, pixels)

    def residuals(self, params: Params, extra: Extra, batch: Batch, cells: tuple[int, int]) -> Residuals:
        """Pose features of a batch for latents of `cells` (height, width): of "pose_images" under the guider; else of
        "poses" (B, F, 60, 3), whose confidences count, and their tokens: "tokens" (B, F, S, K) where the batch has them
        (generation, or computed beforehand), else those of the middle F frames of "pose_window" (B, A+F+A, 60, 3)."""
        if self.pose is None:
            return None
        if isinstance(self.pose, PoseGuider):
            inputs = (batch["pose_images"].astype(jnp.float32) / 255,)
        else:
            inputs = (self._codes(variables(params, extra, "tokenizer"), batch), batch["poses"][..., 2], cells)
        return self.pose.apply({"params": params["pose"]}, *inputs)

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields of a training batch."""
        if self.pose is None:
            return ("reference", "frames")
        of_pose = ("pose_images",) if isinstance(self.pose, PoseGuider) else ("poses", "pose_window")
        return ("reference", "frames", *of_pose)

    def _codes(self, weights: Mapping[str, Any], batch: Batch) -> Array:
        if "tokens" in batch:
            return self.tokenizer.apply(weights, batch["tokens"], method="lookup")
        # Straight through: a gradient reaches the encoders where the tokenizer trains as well.
        codes = self.tokenizer.apply(weights, batch["pose_window"], method="codes")
        return tokenizer_stage.middle(codes, batch["poses"].shape[1])

    @typechecked
    def denoise(
        self,
        params: Params,
        noisy: Float[Array, "B F H W C"],
        timesteps: Int[Array, "B"],
        condition: Condition,
        residuals: Residuals,
        *,
        keep: Bool[Array, "B"] | None,
    ) -> Float[Array, "B F H W C"]:
        """The U-Net's answer, float32. Where `keep` is False the clip sees neither token nor reference; pose it always
        sees."""
        token, photo = condition.token, condition.photo
        if keep is not None:
            token = token * keep[:, None, None]
            photo = None if photo is None else photo * keep[:, None, None, None]
        if photo is not None:
            first, *others = residuals or (None,) * len(self.unet.block_out_channels)
            added = jnp.broadcast_to(photo[:, None], (*noisy.shape[:4], photo.shape[-1]))
            residuals = (added if first is None else first + added, *others)
        output = self.unet.apply(
            {"params": _joined(params["unet"], params.get(_MOTION_MODULES, {}))}, noisy, timesteps, token,
            reference=condition.features, reference_mask=keep, residuals=residuals, use_temporal=self.unet.temporal,
        )
        return output.astype(jnp.float32)

    def parts(self) -> dict[str, InitPart]:
        """How each part is made, in an order in which the ReferenceNet may copy the U-Net."""
        found = {"autoencoder": autoencoder_stage.init(self.autoencoder)}
        if self.tokenizer is not None:
            found["tokenizer"] = tokenizer_stage.init(self.tokenizer)
        found["unet"] = self._part(lambda key, *inputs: _split(self._unet(key, *inputs))[0])
        if self.unet.temporal:
            found[_MOTION_MODULES] = self._part(lambda key, *inputs: _split(self._unet(key, *inputs))[1])
        found["reference_net"] = self._part(
            lambda key, clip, token: self.reference_net.init(key, clip[:, 0], token)["params"]
        )
        size = self.image_encoder.image_size
        found["image_encoder"] = self._part(
            lambda key, clip, token: self.image_encoder.init(key, jnp.zeros((1, size, size, 3)))["params"]
        )
        if self.photo is not None:
            found["photo"] = self._part(lambda key, clip, token: self.photo.init(key, clip[:, 0])["params"])
        if self.pose is not None:
            found["pose"] = self._init_pose
        return found

    def _part(self, init: Callable[..., Params]) -> InitPart:
        """A part without collections; init(key, zero latents (1, F, h, w, C), zero image token (1, 1, D))."""

        def init_part(rng: Array, batch: Batch, before: Mapping[str, Any]) -> tuple[Params, Extra]:
            del before
            factor = 1 if "latents" in batch else self.autoencoder.downsampling
            frames, height, width = batch["latents" if "latents" in batch else "frames"].shape[1:4]
            clip = jnp.zeros((1, frames, height // factor, width // factor, self.unet.latent_channels))
            return init(rng, clip, jnp.zeros((1, 1, self.unet.cross_attention_dim))), {}

        return init_part

    def _unet(self, key: Array, clip: Array, token: Array) -> Params:
        return self.unet.init(key, clip, jnp.zeros((1,), jnp.int32), token)["params"]

    def _init_pose(self, rng: Array, batch: Batch, before: Mapping[str, Any]) -> tuple[Params, Extra]:
        del before
        if isinstance(self.pose, PoseGuider):
            return self.pose.init(rng, jnp.zeros((1, *batch["pose_images"].shape[1:])))["params"], {}
        frames, tokens = batch["poses"].shape[1], len(self.tokenizer.parts) * self.tokenizer.tokens_per_part
        codes = jnp.zeros((1, frames, tokens, self.tokenizer.code_dim))
        return self.pose.init(rng, codes, jnp.zeros((1, frames, self.tokenizer.num_joints)))["params"], {}


def _split(params: Params) -> tuple[Params, Params]:
    """(the U-Net's own parameters, its motion modules') as two trees of nested dicts."""
    own, modules = {}, {}
    for name, child in params.items():
        if name.startswith(_MOTION_MODULES):
            modules[name] = child
        elif isinstance(child, Mapping):
            own[name], below = _split(child)
            if below:
                modules[name] = below
        else:
            own[name] = child
    return own, modules


def _joined(own: Params, modules: Params) -> Params:
    """The inverse of `_split`."""
    return {
        name: _joined(own[name], modules[name]) if name in own and name in modules else (own | modules)[name]
        for name in own | modules
    }


__all__ = ["Condition", "Networks", "Residuals"]
