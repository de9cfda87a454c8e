"""FVD (Unterthiner et al. 2018): how far apart are real and made clips to I3D? Four protocols of one idea.

    |m_r - m_g|^2 + Tr(S_r + S_g - 2 (S_r S_g)^(1/2)) over I3D's 400 logits (xdancer_jax/evals/frechet.py)

What differs between the sources is stated in fields, and moves the figure: which clips, how frames are resized and
scaled, the batch norms' epsilon, N or N - 1. None of them passes frames through GIF files or resamples their rate.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from xdancer_jax.evals import frechet
from xdancer_jax.evals.clips import Cut, Video, check_alike
from xdancer_jax.evals.embedding import Embedder, embedded
from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.evals.resize import Pixels, Resize, prepared


@dataclasses.dataclass(frozen=True)
class FVD:
    """One protocol.

    Attributes:
      id: its name.
      weights: the public file that it is defined over; what was used in fact is in the result's source.
      real_clips: which clips of real videos count.
      made_clips: which of made ones.
      size: of a frame's sides, pixels.
      resize: see xdancer_jax/evals/resize.py.
      pixels: range that they are scaled to.
      epsilon: of I3D's batch norms.
      pool_frames: of I3D's last pool.
      frechet: the distance over its features.
    """

    id: str
    weights: str
    real_clips: Cut
    made_clips: Cut
    size: int
    resize: Resize
    pixels: Pixels
    epsilon: float
    pool_frames: int
    frechet: frechet.Frechet

    def prepare(self, frames: np.ndarray) -> np.ndarray:
        """A clip's frames (F, H, W, 3), uint8, for the network."""
        return prepared(frames, self.size, self.resize, self.pixels)

    def __call__(self, real: Sequence[Video], made: Sequence[Video], network: Embedder, batch: int = 4) -> Result:
        """"distance", "low", "high" and "bias" (xdancer_jax/evals/frechet.py); counts of clips and of what was left
        out. `network` is I3D with this protocol's `epsilon` and `pool_frames`.

        Raises ValueError for sides of different frame rates or sizes, features that are not finite, and fewer than
        two clips on a side.
        """
        check_alike(real, made, paired=False)
        true = embedded(real, self.real_clips, self.prepare, network, batch, "real")
        ours = embedded(made, self.made_clips, self.prepare, network, batch, "made")
        return distance(self, self.frechet, (ours.rows, true.rows), {"made": ours.left_out, "real": true.left_out},
                        network, real[0])


def distance(protocol, form: frechet.Frechet, rows, left_out, network: Embedder, first: Video) -> Result:
    """The Result of (made, real) `rows`, with what was `left_out` by side, the weights, and the videos' rate and
    size."""
    found = form.report(*(np.asarray(side, np.float64) for side in rows))
    counts, notes = dict(found.counts), list(found.notes)
    for side, out in left_out.items():
        counts |= out.counts(side)
        notes += out.notes(side)
    if network.weights.startswith("random"):
        notes.append(f"{protocol.id}: random weights; comparable with nothing but runs of the same seed")
    result = record(protocol, found.values, counts, notes)
    source = {"weights": network.weights, "fps": first.fps, "height": first.shape[1], "width": first.shape[2]}
    return dataclasses.replace(result, source=source)


PUBLIC = "i3d_pretrained_400.pt"


def styleganv() -> FVD:
    """fvd2048_16f of StyleGAN-V: a clip of 16 frames from a random place of 2048 real videos, the first 16 frames of
    made ones; 1/N. Its own file, i3d_torchscript.pt (a port of tf.hub's I3D), is a program and is not read here: with
    I3D-400 in another file the figures are close to its own, and not equal (source states the file)."""
    clips = Cut(16, "random", total=2048, seed=0)
    return FVD("fvd_styleganv_2048_16f", "i3d_torchscript.pt", clips, Cut(16, "first", total=2048), 224, "bilinear",
               "minus_one_to_one", 1e-3, 2, frechet.Frechet("frechet", 2048, ddof=0))


def videogpt() -> FVD:
    """VideoGPT: 256 clips of 16 frames; the shorter side to 224 and the centre; pixels in [-0.5, 0.5], as its code
    has it, where I3D was trained on [-1, 1]; 1/(N-1)."""
    return FVD("fvd_videogpt", PUBLIC, Cut(16, "random", total=256), Cut(16, "first", total=256), 224, "bilinear_crop",
               "minus_half_to_half", 1e-5, 2, frechet.Frechet("frechet", 256, ddof=1))


def disco() -> FVD:
    """DisCo: every clip of 16 frames but a video's last; Pillow's bicubic; 1/(N-1). DisCo's GIF files, of 256 colours
    a frame, are left out. Clips overlap, so there is no interval."""
    clips = Cut(16, "every", stride=1, drop_last=True)
    return FVD("fvd_disco", PUBLIC, clips, clips, 224, "bicubic_pil", "minus_one_to_one", 1e-3, 1,
               frechet.Frechet("frechet", 2048, ddof=1, samples=0))


def cdfvd() -> FVD:
    """cd-fvd's I3D: one random clip of every real video; made videos are gone round until there are 2048 clips, with
    repetition; straight to 224 x 224; 1/N."""
    return FVD("fvd_cdfvd", PUBLIC, Cut(16, "random"), Cut(16, "random", total=2048), 224, "bilinear",
               "minus_one_to_one", 1e-5, 2, frechet.Frechet("frechet", 2048, ddof=0))


__all__ = ["FVD", "cdfvd", "disco", "distance", "styleganv", "videogpt"]
