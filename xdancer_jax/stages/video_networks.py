"""The networks of stage 3 and how they are wired: condition, denoise; shared by training and sampling."""

import dataclasses
from typing import NamedTuple

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
from xdancer_jax.stages.tokenizer import encode
from xdancer_jax.typing import Array, Batch, Bool, Extra, Float, Int, Params, UInt8, typechecked


class Condition(NamedTuple):
    """What the dancer looks like: one image token (B, 1, D), the ReferenceNet's features, and the photo's latents as
    they are added to the U-Net's first features (B, H, W, width)."""

    token: Array
    features: tuple[Array, ...]
    photo: Array


@dataclasses.dataclass(frozen=True)
class Networks:
    """Trained: params {"unet", "reference_net", "photo", "image_encoder", "pose"}. Frozen: extra["frozen"]
    {"autoencoder", "tokenizer"}, each {"params", "extra"}.

    `photo` is a convolution of the photo's latents, zero at first, whose output joins the U-Net's first features (open:
    the paper has the ReferenceNet alone). `pose` is the pose control: MotionDecoder (the paper's, which needs the
    tokenizer) or PoseGuider (its ablation).
    """

    unet: UNet
    reference_net: ReferenceNet
    photo: nn.Conv
    image_encoder: ImageEncoder
    pose: MotionDecoder | PoseGuider
    autoencoder: AutoencoderKL
    tokenizer: PoseTokenizer | None = None

    def __post_init__(self):
        if isinstance(self.pose, MotionDecoder) and self.tokenizer is None:
            raise ValueError("pose_control='motion_decoder' reads pose tokens: give a tokenizer, or use 'pose_guider'")

    @typechecked
    def condition(
        self, params: Params, images: UInt8[Array, "B H W 3"], latents: Float[Array, "B _ _ C"]
    ) -> Condition:
        """Of the reference photo and its clean latents; the ReferenceNet runs here, once a clip (at t = 0)."""
        pixels = image_encoder.preprocess(images, self.image_encoder.image_size)
        token = self.image_encoder.apply({"params": params["image_encoder"]}, pixels)
        features = self.reference_net.apply({"params": params["reference_net"]}, latents, token)
        return Condition(token, features, self.photo.apply({"params": params["photo"]}, latents))

    def pose_inputs(self, frozen: Extra, batch: Batch) -> tuple[Array, ...]:
        """The arguments of `pose`: (maps in [0, 1],) of "pose_images"; or (codes, confidences), the latter of "poses"
        (B, F, 60, 3), the codes of "tokens" (B, F, S, K) where the batch has them (generation), else of the middle F
        frames of "pose_window" (B, A+F+A, 60, 3)."""
        if isinstance(self.pose, PoseGuider):
            return (batch["pose_images"].astype(jnp.float32) / 255,)
        variables = {"params": frozen["tokenizer"]["params"], **frozen["tokenizer"]["extra"]}
        tokens = batch.get("tokens")
        if tokens is None:
            tokens = encode(self.tokenizer, frozen["tokenizer"], batch["pose_window"], batch["poses"].shape[1])
        codes = self.tokenizer.apply(variables, tokens, method="lookup")
        return codes, batch["poses"][..., 2]

    @typechecked
    def denoise(
        self,
        params: Params,
        noisy: Float[Array, "B F H W C"],
        timesteps: Int[Array, "B"],
        condition: Condition,
        pose_inputs: tuple[Array, ...],
        *,
        keep: Bool[Array, "B"] | None,
        use_temporal: bool,
    ) -> Float[Array, "B F H W C"]:
        """The U-Net's answer, float32. Where `keep` is False the clip sees neither token nor reference; pose it always
        sees."""
        token, photo = condition.token, condition.photo
        if keep is not None:
            token, photo = token * keep[:, None, None], photo * keep[:, None, None, None]
        if isinstance(self.pose, MotionDecoder):
            pose_inputs = (*pose_inputs, noisy.shape[2:4])
        residuals = self.pose.apply({"params": params["pose"]}, *pose_inputs)
        residuals = (residuals[0] + photo[:, None], *residuals[1:])
        output = self.unet.apply(
            {"params": params["unet"]}, noisy, timesteps, token, reference=condition.features, reference_mask=keep,
            residuals=residuals, use_temporal=use_temporal,
        )
        return output.astype(jnp.float32)
