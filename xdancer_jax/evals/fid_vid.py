"""FID-VID (Balaji et al. 2019): a Frechet distance over the 2048 features of a 3-D residual network.

Which network "FID-VID" means differs: DisCo, whose script most dance papers run, takes a ResNet-50, the definition a
ResNeXt-101. What X-Dancer's table means is unknown.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from xdancer_jax.evals import frechet
from xdancer_jax.evals.clips import Cut, Video, check_alike
from xdancer_jax.evals.embedding import Embedder, embedded, mean_by_video
from xdancer_jax.evals.fvd import distance
from xdancer_jax.evals.protocols import Result
from xdancer_jax.evals.resize import Pixels, Resize, prepared


@dataclasses.dataclass(frozen=True)
class FIDVid:
    """One protocol.

    Attributes:
      id: its name.
      weights: the public file that it is defined over; what was used in fact is in the result's source.
      clips: which clips count, on both sides.
      sample: what a sample of the distance is: each "clip", or a "video", as the mean of its clips' features.
      size: of a frame's sides, pixels.
      resize: see xdancer_jax/evals/resize.py.
      pixels: range that they are scaled to.
      frechet: the distance over its features.
    """

    id: str
    weights: str
    clips: Cut
    sample: Literal["clip", "video"]
    size: int
    resize: Resize
    pixels: Pixels
    frechet: frechet.Frechet

    def prepare(self, frames: np.ndarray) -> np.ndarray:
        """A clip's frames (F, H, W, 3), uint8, for the network."""
        return prepared(frames, self.size, self.resize, self.pixels)

    def __call__(self, real: Sequence[Video], made: Sequence[Video], network: Embedder, batch: int = 4) -> Result:
        """"distance", "low", "high" and "bias" (xdancer_jax/evals/frechet.py); counts of samples and of what was left
        out. Raises ValueError as FVD does."""
        check_alike(real, made, paired=False)
        true, ours = (
            embedded(videos, self.clips, self.prepare, network, batch, side)
            for side, videos in (("real", real), ("made", made))
        )
        rows = (ours.rows, true.rows) if self.sample == "clip" else (mean_by_video(ours), mean_by_video(true))
        return distance(self, self.frechet, rows, {"made": ours.left_out, "real": true.left_out}, network, real[0])


_FRECHET = frechet.Frechet("frechet", 2048, ddof=1, samples=0)


def resnet50_disco() -> FIDVid:
    """DisCo's fid-vid: segments of 16 frames, the last filled up with the last frame, and a video the mean of its
    segments; Pillow's bicubic to 112 x 112, 0-255 less Kinetics' mean colour. DisCo's script gives it GIF files of 16
    frames from every place of a video but the last: `dataclasses.replace(resnet50_disco(), sample="clip",
    clips=Cut(16, "every", drop_last=True))`, but for the GIF's 256 colours."""
    return FIDVid("fidvid_resnet50_disco", "resnet-50-kinetics.pth", Cut(16, "segments"), "video", 112, "bicubic_pil",
                  "zero_to_255_less_mean", _FRECHET)


def resnext101() -> FIDVid:
    """ResNeXt-101 on what it was trained on: 112 x 112, 0-255 less the mean colour; segments of 16 frames."""
    return FIDVid("fidvid_resnext101", "resnext-101-kinetics.pth", Cut(16, "segments"), "video", 112, "bilinear",
                  "zero_to_255_less_mean", _FRECHET)


def resnext101_legacy() -> FIDVid:
    """For tables by the vfid-metrics code alone: 224 x 224, and pixels in [-1, 1] for a network that knows 0-255;
    clips of 16 frames one after the other, each a sample."""
    return FIDVid("fidvid_resnext101_vfid_legacy", "resnext-101-kinetics.pth", Cut(16, "every", stride=16), "clip",
                  224, "bilinear", "minus_one_to_one", _FRECHET)


__all__ = ["FIDVid", "resnet50_disco", "resnext101", "resnext101_legacy"]
